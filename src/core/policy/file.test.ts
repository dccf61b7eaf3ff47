import { expect, test } from "bun:test";
import { InvalidPolicyError } from "../errors.ts";
import { parsePolicy } from "./file.ts";

/** The lines of the error about a policy, one for each mistake. */
function mistakesIn(json: unknown): string[] {
  try {
    parsePolicy(json);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidPolicyError);
    return (error as Error).message.split("\n");
  }
  throw new Error(`it was taken: ${JSON.stringify(json)}`);
}

const grant = { role: "browser" };
const rule = (when: unknown) => ({ rules: [{ when, grant }] });
const granting = (more: object) => ({ rules: [{ when: {}, grant: { ...grant, ...more } }] });
const issuer = { issuer: "https://login.example.com", audience: ["nats"] };
const condition = (condition: unknown) => rule({ claims: [{ claim: "plan", equals: "a" }, condition] });

test("a policy is read from JSON", () => {
  expect(parsePolicy({ rules: [] })).toEqual({ issuers: [], rules: [] });
  const rules = [
    {
      description: "Staff",
      when: { issuer: "https://login.example.com", claims: [{ claim: ["a", "b"], one_of: ["x", 1, true] }] },
      grant: { role: "room", tags: { room: { claim: "rooms" }, site: { value: "main" } }, ttl: 300 },
    },
  ];
  const issuers = [{ ...issuer, algorithms: ["ES256"], jwks_uri: "https://login.example.com/keys?p=1" }];
  expect(parsePolicy({ issuers, user: { claim: "name", unique: true }, rules } as unknown)).toEqual({
    issuers: [{ ...issuer, algorithms: ["ES256"], jwksUri: "https://login.example.com/keys?p=1" }],
    user: { claim: "name", unique: true },
    rules,
  } as never);
});

test("all mistakes are reported at once, each with its place", () => {
  const lines = mistakesIn({
    issuers: [{ issuer: "x", audience: "nats" }],
    rules: [
      { when: {}, grant },
      { when: { claims: [{ claim: "plan" }] }, grant: { role: "a.b", ttl: 5 } },
    ],
    rule: [],
  });
  expect(lines.map((line) => line.split(": ")[0]).sort()).toEqual([
    "issuers[0].audience",
    "issuers[0].issuer",
    "rules[1].grant.role",
    "rules[1].grant.ttl",
    "rules[1].when.claims[0]",
    "the top level",
  ]);
});

test("a misspelt condition is refused, and not ignored", () => {
  for (const [json, place] of [
    [rule(undefined), "rules[0].when: is missing"],
    [rule(null), "rules[0].when: must be an object"],
    [rule([]), "rules[0].when: must be an object"],
    [rule({ claim: [] }), 'rules[0].when: unknown field "claim"'],
    [rule({ Issuer: "x" }), 'rules[0].when: unknown field "Issuer"'],
    [rule({ issuer: "" }), "rules[0].when.issuer: must not be empty"],
    [rule({ issuer: ["x"] }), "rules[0].when.issuer: must be a string"],
    [rule({ claims: [] }), "rules[0].when.claims: must not be empty"],
    [rule({ claims: { plan: "a" } }), "rules[0].when.claims: must be a list"],
    [rule(JSON.parse('{"__proto__":{"issuer":"x"}}')), "rules[0].when: "],
    [condition({ claim: "plan" }), "rules[0].when.claims[1]: needs exactly one of"],
    [condition({ claim: "plan", equals: 1, present: true }), "rules[0].when.claims[1]: needs exactly one of"],
    [condition({ claim: "plan", equals: 1, not: 2 }), 'rules[0].when.claims[1]: unknown field "not"'],
    [condition({ claim: "plan", equals: null }), "rules[0].when.claims[1].equals: "],
    [condition({ claim: "plan", equals: ["a"] }), "rules[0].when.claims[1].equals: "],
    [condition({ claim: "plan", one_of: "a" }), "rules[0].when.claims[1].one_of: must be a list"],
    [condition({ claim: "plan", one_of: [] }), "rules[0].when.claims[1].one_of: must not be empty"],
    [condition({ claim: "plan", one_of: ["a", {}] }), "rules[0].when.claims[1].one_of[1]: "],
    [
      condition({ claim: "scope", contains_word: "" }),
      "rules[0].when.claims[1].contains_word: must be one word",
    ],
    [
      condition({ claim: "scope", contains_word: "a b" }),
      "rules[0].when.claims[1].contains_word: must be one",
    ],
    [
      condition({ claim: "scope", contains_word: ["a"] }),
      "rules[0].when.claims[1].contains_word: must be a string",
    ],
    [condition({ claim: "plan", present: false }), "rules[0].when.claims[1].present: must be true"],
    [condition({ equals: 1 }), "rules[0].when.claims[1].claim: "],
    [condition({ claim: "", equals: 1 }), "rules[0].when.claims[1].claim: "],
    [condition({ claim: [], equals: 1 }), "rules[0].when.claims[1].claim: "],
    [condition({ claim: ["a", 0], equals: 1 }), "rules[0].when.claims[1].claim"],
  ] as const) {
    expect(mistakesIn(json).join("\n")).toContain(place);
  }
});

test("grants are checked as far as possible without an identity", () => {
  for (const [json, place] of [
    [{ rules: [{ when: {} }] }, "rules[0].grant: is missing"],
    [{ rules: [{ when: {}, grant: {} }] }, "rules[0].grant.role: is missing"],
    [granting({ role: "*" }), "rules[0].grant.role: "],
    [granting({ user: "root" }), 'rules[0].grant: unknown field "user"'],
    [granting({ ttl: 9 }), "rules[0].grant.ttl: must be at least 10"],
    [granting({ ttl: 3601 }), "rules[0].grant.ttl: must be at most 3600"],
    [granting({ ttl: 60.5 }), "rules[0].grant.ttl: must be a whole number"],
    [granting({ ttl: "60" }), "rules[0].grant.ttl: must be a number"],
    [granting({ tags: { Room: { value: "a" } } }), "rules[0].grant.tags.Room: a tag's name is"],
    [granting({ tags: { room: "a" } }), "rules[0].grant.tags.room: "],
    [granting({ tags: { room: { value: "*" } } }), "rules[0].grant.tags.room"],
    [granting({ tags: { room: { value: "a", claim: "b" } } }), "rules[0].grant.tags.room"],
    [granting({ tags: { room: {} } }), "rules[0].grant.tags.room"],
    [granting({ tags: { room: { claim: "a", strip_prefix: "" } } }), "rules[0].grant.tags.room"],
    [
      granting({ tags: { room: { claim: "a", strip_prefix: "/", values: { a: "b" } } } }),
      "rules[0].grant.tags.room",
    ],
    [granting({ tags: { room: { claim: "a", values: {} } } }), "rules[0].grant.tags.room"],
    [granting({ tags: { room: { claim: "a", values: { "/a": "*" } } } }), "rules[0].grant.tags.room"],
    [granting({ tags: { room: { value: "a", strip_prefix: "/" } } }), "rules[0].grant.tags.room"],
    [
      granting({ tags: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, { value: "a" }])) }),
      "rules[0].grant.tags: at most 16 tags",
    ],
    [{}, "rules: is missing"],
    [{ rules: [null] }, "rules[0]: must be an object"],
    [null, "the top level: must be an object"],
    [[], "the top level: must be an object"],
    [{ rules: [], user: { claim: "name" } }, "user.unique: must be true"],
    [{ rules: [], user: { claim: "name", unique: false } }, "user.unique: must be true"],
    [{ rules: [], user: "name" }, "user: must be an object"],
  ] as const) {
    expect(mistakesIn(json).join("\n")).toContain(place);
  }
});

test("an issuer needs an https URL and an audience", () => {
  for (const url of [
    "login.example.com",
    "http://login.example.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "https://login.example.com?tenant=a",
    "https://login.example.com#a",
    "https://a:b@login.example.com",
    "https:// login.example.com",
    "HTTPS://login.example.com",
    "https:login.example.com",
    "https:\\\\login.example.com",
    "https:///login.example.com",
    "https://@login.example.com",
    "https://login.example.com/\u0000",
    "https://münchen.example",
    "ftp://login.example.com",
    "",
  ]) {
    expect([url, ...mistakesIn({ rules: [], issuers: [{ ...issuer, issuer: url }] })]).toEqual([
      url,
      expect.stringContaining("issuers[0].issuer: must be an https URL"),
    ]);
  }
  for (const url of [
    "http://localhost:8090/a",
    "http://127.0.0.1",
    "http://[::1]:80",
    "https://a.example/b/",
    "https://a.example:443",
    "https://A.example.",
  ]) {
    expect(parsePolicy({ rules: [], issuers: [{ ...issuer, issuer: url }] }).issuers[0]?.issuer).toBe(url);
  }
  for (const [more, place] of [
    [{ audience: undefined }, "issuers[0].audience: is missing"],
    [{ audience: [] }, "issuers[0].audience: must not be empty"],
    [{ audience: "nats" }, "issuers[0].audience: must be a list"],
    [{ audience: [""] }, "issuers[0].audience[0]: must not be empty"],
    [{ jwks_uri: "http://login.example.com/keys" }, "issuers[0].jwks_uri: "],
    [{ jwks_uri: "https://a:b@login.example.com/keys?x=1" }, "issuers[0].jwks_uri: "],
    [{ jwks_uri: "https://login.example.com/keys#x" }, "issuers[0].jwks_uri: "],
    [{ jwksUri: "https://login.example.com" }, 'issuers[0]: unknown field "jwksUri"'],
    [{ algorithms: [] }, "issuers[0].algorithms: must not be empty"],
  ] as const) {
    expect(mistakesIn({ rules: [], issuers: [{ ...issuer, ...more }] }).join("\n")).toContain(place);
  }
  expect(mistakesIn({ rules: [], issuers: [issuer, { ...issuer, audience: ["b"] }] })).toEqual([
    "issuers: has an issuer twice",
  ]);
});

test("an issuer may be found elsewhere than under its name, and have any name then", () => {
  const read = (more: object) => parsePolicy({ rules: [], issuers: [{ ...issuer, ...more }] }).issuers[0];
  expect(
    read({
      issuer: "http://adfs.example.com/adfs/services/trust",
      audience_claim: "client_id",
      discovery_url: "https://adfs.example.com/adfs/.well-known/openid-configuration?appid=1",
      discovery_issuer: "https://adfs.example.com/adfs",
    }),
  ).toEqual({
    issuer: "http://adfs.example.com/adfs/services/trust",
    audience: ["nats"],
    audienceClaim: "client_id",
    discoveryUrl: "https://adfs.example.com/adfs/.well-known/openid-configuration?appid=1",
    discoveryIssuer: "https://adfs.example.com/adfs",
  });
  for (const name of ["accounts.google.com", "urn:example:login", "kubernetes/serviceaccount", "CN=login"]) {
    expect(read({ issuer: name, jwks_uri: "https://login.example.com/keys" })?.issuer).toBe(name);
  }
  const tenants = ["9188040d-6c67-4c5b-b112-36a304b66dad", "contoso.com"];
  const entra = { issuer: "https://login.example.com/{tenantid}/v2.0", tenants };
  expect(read({ ...entra, discovery_url: "https://login.example.com/common/openid" })?.tenants).toEqual(
    tenants,
  );

  const place = { discovery_url: "https://login.example.com/openid" };
  for (const [more, message] of [
    [{ issuer: "accounts.google.com" }, "issuer: must be an https URL"],
    [{ issuer: "accounts.google.com" }, "say where its keys are: discovery_url or jwks_uri"],
    [{ issuer: "http://login.example.com" }, "OIDC_ALLOW_HTTP=true accepts plain http, for prototyping only"],
    [{ ...place, issuer: "" }, "issuer: must be an https URL"],
    [{ ...place, issuer: " login" }, "issuer: must be an https URL"],
    [{ ...place, issuer: "login\n" }, "issuer: must be an https URL"],
    [{ ...place, issuer: "HTTPS://login.example.com" }, "fragment: https://login.example.com"],
    [{ ...place, issuer: "https:login.example.com" }, "issuer: must be an https URL"],
    [
      { discovery_url: "http://login.example.com/openid" },
      "discovery_url: must be an https URL; http on localhost. OIDC",
    ],
    [{ discovery_url: "login" }, "discovery_url: must be an https URL; http on localhost"],
    [{ ...place, jwks_uri: "https://login.example.com/keys" }, "jwks_uri: no discovery takes place with it"],
    [
      { discovery_issuer: "a", jwks_uri: "https://a.example/keys" },
      "jwks_uri: no discovery takes place with it",
    ],
    [{ ...place, discovery_issuer: "" }, "discovery_issuer: must not be empty"],
    [{ ...place, audience_claim: "" }, "audience_claim: must not be empty"],
    [{ ...place, audience_claim: ["a", "b"] }, "audience_claim: must be a string"],
    [{ ...place, ...entra, tenants: undefined }, "tenants: is missing"],
    [{ ...place, ...entra, tenants: [] }, "tenants: must not be empty"],
    [{ ...place, ...entra, tenants: ["a", "a"] }, "tenants: has a tenant twice"],
    [{ ...place, ...entra, tenants: ["*"] }, "tenants[0]: must be 1 to 64 characters"],
    [{ ...place, ...entra, tenants: ["a/b"] }, "tenants[0]: must be 1 to 64 characters"],
    [{ ...entra }, "issuer: must be an https URL"],
    [{ ...place, tenants }, "issuer: must contain {tenantid}"],
    [
      { ...place, tenants, issuer: "https://a.example/{tenantid}/{tenantid}" },
      "issuer: must contain {tenantid} once",
    ],
  ] as const) {
    const lines = mistakesIn({ rules: [], issuers: [{ ...issuer, ...more }] });
    expect([more, lines.join("\n")]).toEqual([more, expect.stringContaining(message)]);
    for (const line of lines) expect(line).toStartWith("issuers[0].");
  }
  const one = { ...issuer, issuer: "https://login.example.com/contoso.com/v2.0" };
  expect(mistakesIn({ rules: [], issuers: [{ ...issuer, ...place, ...entra }, one] })).toEqual([
    "issuers: has an issuer twice",
  ]);
});

test("plain http is accepted for every place only where the settings say so", () => {
  const http = { ...issuer, issuer: "http://keycloak:8080/realms/a" };
  const places = [
    http,
    { ...issuer, discovery_url: "http://keycloak:8080/realms/a/.well-known/openid-configuration" },
    { ...issuer, jwks_uri: "http://keycloak:8080/keys" },
  ];
  for (const place of places) {
    const json = { rules: [], issuers: [place] };
    expect(mistakesIn(json).join()).toContain("OIDC_ALLOW_HTTP=true");
    expect(parsePolicy(json, { allowHttp: true }).issuers).toHaveLength(1);
  }
  const other = { rules: [], issuers: [{ ...issuer, issuer: "ftp://keycloak" }] };
  expect(() => parsePolicy(other, { allowHttp: true })).toThrow("issuers[0].issuer: must be an https URL");
});

test("only asymmetric signature algorithms are accepted", () => {
  for (const algorithm of ["none", "HS256", "HS512", "es256", "", "dir", "RSA-OAEP"]) {
    expect(
      mistakesIn({ rules: [], issuers: [{ ...issuer, algorithms: ["ES256", algorithm] }] }).join(),
    ).toContain("issuers[0].algorithms[1]: must be one of RS256");
  }
});
