import { expect, test } from "bun:test";
import { InvalidApiKeysError } from "../errors.ts";
import { parseApiKeys } from "./file.ts";

test("a file of API keys is checked strictly, and no message about it contains a hash or a key", async () => {
  const hash = `sha256:${"ab".repeat(32)}`;
  const good = { id: "abcdefgh", description: "", hash, roles: ["a"], created_at: "2027-01-31T00:00:00Z" };
  for (const [change, place] of [
    [{ hash: "ab".repeat(32) }, "[0].hash"],
    [{ hash: `sha256:${"AB".repeat(32)}` }, "[0].hash"],
    [{ hash: `mint_abcdefgh_${"a".repeat(60)}` }, "[0].hash"],
    [{ id: "*" }, "[0].id"],
    [{ roles: [] }, "[0].roles"],
    [{ roles: ["*"] }, "[0].roles[0]"],
    [{ roles: "a" }, "[0].roles"],
    [{ created_at: "yesterday" }, "[0].created_at"],
    [{ expires_at: "2027-02-30T00:00:00Z" }, "[0].expires_at"],
    [{ expires_at: "2027-01-31T00:00:00+05:00" }, "[0].expires_at"],
    [{ expires_at: 1 }, "[0].expires_at"],
    [{ expires: "2027-01-31T00:00:00Z" }, "[0]: unknown field"],
    [{ description: undefined }, "[0].description: is missing"],
  ] as const) {
    const refused = () => parseApiKeys(JSON.stringify([{ ...good, ...change }]));
    expect(refused).toThrow(InvalidApiKeysError);
    expect(refused).toThrow(place);
    expect(refused).not.toThrow(/(ab){8}|(AB){8}|a{20}/);
  }
  expect(() => parseApiKeys("{}")).toThrow(InvalidApiKeysError);
  expect(() => parseApiKeys("")).toThrow(InvalidApiKeysError);
  expect(() => parseApiKeys('[{"id":"a","id":"b"}]')).toThrow("duplicate field");
  expect(parseApiKeys(JSON.stringify([{ ...good, expires_at: "2027-01-31T00:00:00Z" }]))).toEqual([
    {
      id: "abcdefgh",
      description: "",
      hash,
      roles: ["a"],
      createdAt: 1_801_353_600,
      expiresAt: 1_801_353_600,
    },
  ]);
});
