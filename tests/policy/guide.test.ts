import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Identity } from "../../src/core/identity.ts";
import { activatePolicy } from "../../src/core/policy/active.ts";
import { parsePolicyFile } from "../../src/core/policy/file.ts";
import { parseTags } from "../../src/core/tags.ts";
import { blocks, codeSpans, rows, section } from "../docs/markdown.ts";
import { makeWorkspace } from "./command.ts";

/** The statements and examples of docs/policy.md are true. */

const guide = readFileSync(join(import.meta.dirname, "../../docs/policy.md"), "utf8");
const examples = blocks(guide).flatMap(({ language, text }) => (language === "json" ? [text] : []));
/** The issuer of the settings, for examples that name none. */
const LOGIN = { issuer: "https://login.example.com", audience: ["nats"] };
const grantOf = (text = "") => {
  const file = parsePolicyFile(text);
  return activatePolicy(file, file.issuers.length === 0 ? LOGIN : undefined).grant;
};
const [rooms, elsewhere, entra, literal, tenants, programs, operators] = examples.map((text) =>
  grantOf(text),
);

const identity = (claims: Identity["claims"], issuer = "https://login.example.com"): Identity => ({
  method: "oidc",
  issuer,
  subject: "1234",
  claims,
});

describe("the examples grant what the text beside them says:", () => {
  test("the rooms of their token to staff, and their own subjects to others", () => {
    const staff = identity({ groups: ["staff"], rooms: ["lobby", "hall"] });
    const lobby = parseTags({ room: "lobby" });
    expect(rooms?.(staff, { tags: lobby })).toMatchObject({ role: "room", tags: lobby, ttl: 300 });
    expect(rooms?.(identity({ groups: [] }), {})).toMatchObject({ role: "browser" });
  });

  test("the role browser to the issuers that they name, and to no other", () => {
    const adfs = "http://adfs.example.com/adfs/services/trust";
    expect(elsewhere?.(identity({}, adfs), {})).toMatchObject({ role: "browser" });
    expect(() => elsewhere?.(identity({}, "https://adfs.example.com/adfs"), {})).toThrow("not trusted");
    const of = (tenant: string) => `https://login.microsoftonline.com/${tenant}/v2.0`;
    const listed = "9188040d-6c67-4c5b-b112-36a304b66dad";
    expect(entra?.(identity({}, of(listed)), {})).toMatchObject({ role: "browser" });
    expect(() => entra?.(identity({}, of("organizations")), {})).toThrow("not trusted");
  });

  test("user names from a claim", () => {
    expect(literal?.(identity({ preferred_username: "alice" }), {}).user as string).toBe("alice");
    expect(() => literal?.(identity({ preferred_username: "alice@example.com" }), {})).toThrow(
      "preferred_username",
    );
  });

  test("their room to known tenants, and nothing to others", () => {
    expect(tenants?.(identity({ tenant: "acme" }), {})).toMatchObject({ tags: { room: "acme" } });
    expect(() => tenants?.(identity({ tenant: "other" }), {})).toThrow();
    expect(() => tenants?.(identity({ tenant: "acme" }), { tags: parseTags({ room: "umbrella" }) })).toThrow(
      "room",
    );
  });

  test("the role of services to one issuer and the role of users to another", () => {
    const claims = { repository: "acme/app", ref_protected: "true" };
    const ci = "https://ci.example.com";
    expect(programs?.(identity(claims, ci), {})).toMatchObject({ role: "service", ttl: 600 });
    expect(programs?.(identity(claims), {})).toMatchObject({ role: "browser" });
    expect(() => programs?.(identity(claims), { role: "service" })).toThrow();
    expect(() => programs?.(identity({ ...claims, ref_protected: "false" }, ci), {})).toThrow();
  });

  test("the role of operators only after a second factor", () => {
    const realm_access = { roles: ["operator"] };
    expect(operators?.(identity({ realm_access, acr: "2" }), {})).toMatchObject({ role: "service" });
    expect(() => operators?.(identity({ realm_access, acr: "1" }), {})).toThrow();
    expect(() => operators?.(identity({ realm_access: { roles: "operator" }, acr: "2" }), {})).toThrow();
  });
});

test("the table of fields lists every field of a policy", async () => {
  const source = readFileSync(join(import.meta.dirname, "../../src/core/policy/file.ts"), "utf8");
  const listed = rows(section(guide, "## Rules"), "field").flatMap(([field]) => codeSpans(field ?? ""));
  for (const field of listed) expect(source).toContain(field.split(".").at(-1) ?? "");
  const location = {
    discovery_url: "https://a.example/.well-known/openid-configuration",
    discovery_issuer: "https://a.example",
  };
  const issuer = {
    issuer: "https://a.example/{tenantid}",
    audience: ["a"],
    audience_claim: "azp",
    tenants: ["a"],
    algorithms: ["ES256"],
  };
  const jwks_uri = "https://a.example/keys";
  const full = {
    issuers: [{ ...issuer, ...location }],
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
  parsePolicyFile(JSON.stringify({ ...full, issuers: [{ ...issuer, jwks_uri }] }));
  const leaves = (value: object, path: string): string[] =>
    Object.entries(value).flatMap(([name, inner]) => {
      const place = path ? `${path}.${name}` : name;
      if (["user", "tags", "claims", "audience", "algorithms", "tenants"].includes(name)) return [place];
      if (Array.isArray(inner))
        return [...(name === "issuers" ? [place] : []), ...leaves(inner[0], `${place}[]`)];
      if (typeof inner === "object") return [...(name === "when" ? [place] : []), ...leaves(inner, place)];
      return [place];
    });
  const all = { ...full, issuers: [{ ...issuer, ...location, jwks_uri }] };
  expect(listed.sort()).toEqual(leaves(all, "").sort());
});

test("the table of tests lists every test, in valid syntax", () => {
  const written = rows(guide, "test").flatMap(([test]) => codeSpans(test ?? ""));
  expect(written.map((test) => test.split('"')[1]).sort()).toEqual([
    "contains",
    "contains_word",
    "equals",
    "one_of",
    "present",
  ]);
  for (const test of written) {
    parsePolicyFile(`{"rules":[{"when":{"claims":[{"claim":"a",${test}}]},"grant":{"role":"a"}}]}`);
  }
});

test("the table of mappings shows what they grant", () => {
  const groups = ["/staff", "/tenants/acme", "/tenants/acme/admins"];
  const mappings = rows(section(guide, "## Tags"), "source of the tag").map((cells) =>
    cells.map((cell) => codeSpans(cell)[0] ?? ""),
  );
  expect(mappings).toHaveLength(2);
  for (const [source = "", room] of mappings) {
    const grant = grantOf(`{"rules":[{"when":{},"grant":{"role":"room","tags":{"room":${source}}}}]}`);
    expect(grant(identity({ groups }), {}).tags as unknown).toEqual({ room });
  }
});

test("the explanation that it shows is the output for its first example", async () => {
  await using workspace = await makeWorkspace();
  await workspace.writePolicy(examples[0] ?? "");
  const own = ["users.{{name()}}.>", "_INBOX_{{name()}}.>"];
  await workspace.exportKeys({ browser: { pub: { allow: own }, sub: { allow: own } } });
  const claims = { iss: "https://login.example.com", sub: "1234", groups: "staff", rooms: ["lobby"] };
  const { out } = await workspace.run(["explain", "--claims", "-"], JSON.stringify(claims));
  const shown = blocks(guide).find(({ text }) => text.startsWith("issuer "))?.text;
  expect(out).toBe(shown as string);
});
