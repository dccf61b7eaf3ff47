import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Identity } from "../../src/core/identity.ts";
import { usePolicy } from "../../src/core/policy/active.ts";
import { parsePolicyFile } from "../../src/core/policy/file.ts";
import { parseTags } from "../../src/core/tags.ts";
import { blocks, codeSpans, rows, section } from "../docs/markdown.ts";
import { makePlace } from "./command.ts";

/** What docs/policy.md says is so. */

const guide = readFileSync(join(import.meta.dirname, "../../docs/policy.md"), "utf8");
const examples = blocks(guide).flatMap(({ language, text }) => (language === "json" ? [text] : []));
/** The issuer of the settings, where an example names none. */
const LOGIN = { issuer: "https://login.example.com", audience: ["nats"] };
const grantOf = (text = "") => {
  const file = parsePolicyFile(text);
  return usePolicy(file, file.issuers.length === 0 ? LOGIN : undefined).grant;
};
const [rooms, literal, tenants, programs, operators] = examples.map((text) => grantOf(text));

const someone = (claims: Identity["claims"], issuer = "https://login.example.com"): Identity => ({
  issuer,
  subject: "1234",
  claims,
});

describe("the examples give what the text beside them says:", () => {
  test("staff the rooms of their token, others their own subjects", () => {
    const staff = someone({ groups: ["staff"], rooms: ["lobby", "hall"] });
    const lobby = parseTags({ room: "lobby" });
    expect(rooms?.(staff, { tags: lobby })).toMatchObject({ role: "room", tags: lobby, ttl: 300 });
    expect(rooms?.(someone({ groups: [] }), {})).toMatchObject({ role: "browser" });
  });

  test("names that people know", () => {
    expect(literal?.(someone({ preferred_username: "alice" }), {}).user as string).toBe("alice");
    expect(() => literal?.(someone({ preferred_username: "alice@example.com" }), {})).toThrow(
      "preferred_username",
    );
  });

  test("tenants their rooms, and strangers nothing", () => {
    expect(tenants?.(someone({ tenant: "acme" }), {})).toMatchObject({ tags: { room: "acme" } });
    expect(() => tenants?.(someone({ tenant: "other" }), {})).toThrow();
    expect(() => tenants?.(someone({ tenant: "acme" }), { tags: parseTags({ room: "umbrella" }) })).toThrow(
      "room",
    );
  });

  test("programs of one issuer and people of another theirs, and not each other's", () => {
    const claims = { repository: "acme/app", ref_protected: "true" };
    const ci = "https://ci.example.com";
    expect(programs?.(someone(claims, ci), {})).toMatchObject({ role: "service", ttl: 600 });
    expect(programs?.(someone(claims), {})).toMatchObject({ role: "browser" });
    expect(() => programs?.(someone(claims), { role: "service" })).toThrow();
    expect(() => programs?.(someone({ ...claims, ref_protected: "false" }, ci), {})).toThrow();
  });

  test("operators theirs after a second factor", () => {
    const realm_access = { roles: ["operator"] };
    expect(operators?.(someone({ realm_access, acr: "2" }), {})).toMatchObject({ role: "service" });
    expect(() => operators?.(someone({ realm_access, acr: "1" }), {})).toThrow();
    expect(() => operators?.(someone({ realm_access: { roles: "operator" }, acr: "2" }), {})).toThrow();
  });
});

test("the table of fields has every field that a policy may have", async () => {
  const source = readFileSync(join(import.meta.dirname, "../../src/core/policy/file.ts"), "utf8");
  const said = rows(section(guide, "## Rules"), "field").flatMap(([field]) => codeSpans(field ?? ""));
  for (const field of said) expect(source).toContain(field.split(".").at(-1) ?? "");
  const full = {
    issuers: [
      { issuer: "https://a.example", audience: ["a"], algorithms: ["ES256"], jwks_uri: "https://a.example" },
    ],
    user: { claim: "name", unique: true },
    rules: [
      {
        description: "",
        when: { issuer: "https://a.example", claims: [{ claim: "a", present: true }] },
        grant: { role: "a", tags: { room: { value: "a" } }, ttl: 60 },
      },
    ],
  };
  parsePolicyFile(JSON.stringify(full));
  const leaves = (value: object, path: string): string[] =>
    Object.entries(value).flatMap(([name, inner]) => {
      const place = path ? `${path}.${name}` : name;
      if (["user", "tags", "claims", "audience", "algorithms"].includes(name)) return [place];
      if (Array.isArray(inner))
        return [...(name === "issuers" ? [place] : []), ...leaves(inner[0], `${place}[]`)];
      if (typeof inner === "object") return [...(name === "when" ? [place] : []), ...leaves(inner, place)];
      return [place];
    });
  expect(said.sort()).toEqual(leaves(full, "").sort());
});

test("the table of tests has tests that can be written so", () => {
  const written = rows(guide, "test").flatMap(([test]) => codeSpans(test ?? ""));
  expect(written.map((test) => test.split('"')[1]).sort()).toEqual([
    "contains",
    "equals",
    "one_of",
    "present",
  ]);
  for (const test of written) {
    parsePolicyFile(`{"rules":[{"when":{"claims":[{"claim":"a",${test}}]},"grant":{"role":"a"}}]}`);
  }
});

test("the explanation that it shows is that of its first example", async () => {
  await using place = await makePlace();
  await place.writePolicy(examples[0] ?? "");
  const own = ["users.{{name()}}.>", "_INBOX_{{name()}}.>"];
  await place.exportKeys({ browser: { pub: { allow: own }, sub: { allow: own } } });
  const claims = { iss: "https://login.example.com", sub: "1234", groups: "staff", rooms: ["lobby"] };
  const { out } = await place.run(["explain", "--claims", "-"], JSON.stringify(claims));
  const shown = blocks(guide).find(({ text }) => text.startsWith("issuer "))?.text;
  expect(out).toBe(shown as string);
});
