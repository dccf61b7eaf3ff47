import { expect, test } from "bun:test";
import { type ApiKey, createApiKey, hashApiKey } from "../core/api-key/key.ts";
import { InvalidRequestError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Requested } from "../core/identity.ts";
import { parseLifetime } from "../core/lifetime.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { parseTags } from "../core/tags.ts";
import { apiKeyAuthentication } from "./api-key.ts";

const NOW = 1_800_000_000;
const user = parseSubjectToken("alice");

/** A key, and its entry in the file. */
function makeKey(more: Partial<ApiKey> = {}) {
  const { key, id } = createApiKey();
  return {
    key,
    entry: { id, description: "", hash: hashApiKey(key), roles: ["room"], createdAt: 0, ...more },
  };
}

const one = makeKey();
const several = makeKey({ roles: ["room", "browser"] });
const ending = makeKey({ expiresAt: NOW + 1 });
const ended = makeKey({ expiresAt: NOW });
let keys = [one, several, ending, ended].map(({ entry }) => entry);
const { authenticateToken, grant } = apiKeyAuthentication({ keys: () => keys, now: () => NOW * 1000 });

const identify = async (key: string, requested: Requested = { user }) => authenticateToken(key, requested);

/** The reason and message of a refusal. */
async function refusal(key: string): Promise<string> {
  try {
    await identify(key);
  } catch (error) {
    expect(error).toBeInstanceOf(UnauthorizedError);
    return `${(error as UnauthorizedError).reason}: ${(error as Error).message}`;
  }
  throw new Error("it was accepted");
}

/** The text with another letter at this position. */
const mistyped = (text: string, at: number) =>
  `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;

test("a credential for any user may be requested with a key", async () => {
  expect(await identify(one.key)).toEqual({
    method: "api-key",
    issuer: `api-key:${one.entry.id}`,
    subject: "alice",
    claims: {},
  });
  await expect(identify(one.key, {})).rejects.toThrow(InvalidRequestError);
});

test("a proof lasts as long as the key", async () => {
  expect(await identify(ending.key)).toMatchObject({ expiresAt: NOW + 1 });
});

test("a token that is not an API key is not authenticated and not refused", async () => {
  for (const token of ["", "bWludF9h", "eyJhbGciOiJFUzI1NiJ9.e30.x", "mint", "Mint_"]) {
    expect(await identify(token)).toBeNull();
  }
});

test("an unknown id, a wrong secret and an expired key have the same error", async () => {
  const unknown = createApiKey().key;
  // A key with a known id and another secret.
  const forged = createKeyLike(one.key);
  const errors = await Promise.all([unknown, forged, ended.key].map(refusal));
  expect(new Set(errors)).toEqual(new Set(["unknown_api_key: the API key is unknown or has expired"]));
});

/** The same id with another secret and a correct checksum. */
function createKeyLike(key: string): string {
  const id = key.slice(0, 14);
  for (;;) {
    const other = createApiKey().key;
    const unchecked = `${id}${other.slice(14, 66)}`;
    const sum = new Bun.CryptoHasher("sha256").update(unchecked).digest().subarray(0, 5);
    const bits = [...sum].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    const letters = bits.match(/.{5}/g) ?? [];
    return (
      unchecked + letters.map((five) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(five, 2)]).join("")
    );
  }
}

test("a mistyped or incomplete key is reported as such, whichever letter is wrong", async () => {
  for (let at = "mint_".length; at < one.key.length; at++) {
    expect(await refusal(mistyped(one.key, at))).toStartWith("malformed: ");
  }
  for (const key of [
    one.key.slice(0, -1),
    `${one.key}a`,
    one.key.toUpperCase().replace("MINT", "mint"),
    "mint_",
  ]) {
    expect(await refusal(key)).toStartWith("malformed: ");
  }
});

test("no refusal repeats the key", async () => {
  for (const key of [createApiKey().key, mistyped(one.key, 30), ended.key]) {
    expect(await refusal(key)).not.toContain(key.slice(20, 40));
  }
});

test("a key grants its roles and no other, and of several the requested one", async () => {
  const [by, bySeveral] = [await identify(one.key), await identify(several.key)];
  if (!by || !bySeveral) throw new Error("not accepted");
  expect(await grant(by, {})).toEqual({ role: "room", user });
  const requested = { role: "room", tags: parseTags({ room: "lobby" }), ttl: parseLifetime(60) };
  expect(await grant(by, requested)).toEqual({ ...requested, user });
  for (const role of ["browser", "", "Room", "constructor"]) {
    expect(() => grant(by, { role })).toThrow(RoleNotAllowedError);
  }
  expect(await grant(bySeveral, { role: "browser" })).toEqual({ role: "browser", user });
  expect(() => grant(bySeveral, {})).toThrow(InvalidRequestError);
});

test("a removed key grants nothing, not even to an identity that was authenticated before", async () => {
  const by = await identify(one.key);
  if (!by) throw new Error("not accepted");
  const before = keys;
  keys = keys.filter(({ id }) => id !== one.entry.id);
  expect(() => grant(by, {})).toThrow(UnauthorizedError);
  expect(await refusal(one.key)).toStartWith("unknown_api_key");
  keys = before;
});

test("keys are one word, have the same start, and are all different", () => {
  const made = new Set(Array.from({ length: 200 }, () => createApiKey().key));
  expect(made.size).toBe(200);
  for (const key of made) expect(key).toMatch(/^mint_[a-z2-7]{8}_[a-z2-7]{60}$/);
});
