import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  InvalidPolicyError,
  InvalidTagError,
  MintError,
  RoleNotAllowedError,
  TagNotAllowedError,
  UnauthorizedError,
  UserNotAllowedError,
} from "../errors.ts";
import { HOSTILE_NAMES } from "../hostile.fixture.ts";
import type { Identity, Requested } from "../identity.ts";
import { parseLifetime } from "../lifetime.ts";
import { createMint } from "../mint.ts";
import { makeAccount } from "../roles/account.fixture.ts";
import { isSubjectToken, parseSubjectToken } from "../subject-token.ts";
import { parseTags } from "../tags.ts";
import { activatePolicy } from "./active.ts";
import type { Condition } from "./conditions.ts";
import { deriveUser } from "./derived-user.ts";
import { parsePolicy } from "./file.ts";
import { compilePolicy, type PolicyRules, type Rule, type SyncAuthorizer } from "./rules.ts";

const ISSUER = "https://login.example.com";
const alice = (claims: Identity["claims"] = {}): Identity => ({
  method: "oidc",
  issuer: ISSUER,
  subject: "alice",
  claims,
});
const compile = (rules: unknown[], user?: unknown) =>
  compilePolicy(parsePolicy({ rules, ...(user !== undefined && { user }) }), [ISSUER]);
const room = (tags: object, more: object = {}) => [{ when: {}, grant: { role: "room", tags, ...more } }];
const tags = (values: Record<string, string>) => ({ tags: parseTags(values) });

/** The granted role, or the class of the error. */
function outcome(policy: SyncAuthorizer, identity: Identity, requested: Requested = {}): unknown {
  try {
    return policy(identity, requested).role;
  } catch (error) {
    return (error as Error).constructor;
  }
}

describe("a condition", () => {
  const claims = {
    text: "a",
    empty: "",
    one: 1,
    zero: 0,
    yes: true,
    no: false,
    nothing: null,
    list: ["a", 1, true, null, ["b"]],
    none: [],
    object: { a: "b", "0": "c" },
    "https://example.com/x.y": "dotted",
  };

  function meets(condition: Condition): boolean {
    const policy = compile([{ when: { claims: [condition] }, grant: { role: "browser" } }]);
    return outcome(policy, alice(claims)) === "browser";
  }

  test("compares without converting", () => {
    for (const [claim, value] of Object.entries(claims)) {
      for (const wanted of ["a", "", "1", 1, "0", 0, "true", true, "false", false, "null", "a,1,true"]) {
        const condition = { claim, equals: wanted };
        expect([condition, meets(condition)]).toEqual([condition, value === wanted]);
        expect(meets({ claim, one_of: [wanted, "other"] })).toBe(value === wanted);
      }
    }
  });

  test("finds an element in a list, and nowhere else", () => {
    for (const wanted of ["a", 1, true]) expect(meets({ claim: "list", contains: wanted })).toBe(true);
    for (const wanted of ["1", "true", 0, false, "b", ""])
      expect(meets({ claim: "list", contains: wanted })).toBe(false);
    for (const claim of ["text", "none", "object", "one", "nothing", "missing"]) {
      for (const wanted of ["a", "", "b", 1]) expect(meets({ claim, contains: wanted })).toBe(false);
    }
  });

  test("finds a word in a text of words or a list of texts, and no part of a word", () => {
    const policy = compile([
      { when: { claims: [{ claim: "scope", contains_word: "nats" }] }, grant: { role: "browser" } },
    ]);
    const has = (scope: unknown) => outcome(policy, alice({ scope })) === "browser";
    for (const scope of [
      "nats",
      "openid nats",
      "nats openid",
      "a nats b",
      " nats",
      ["nats"],
      ["a", "nats"],
    ]) {
      expect([scope, has(scope)]).toEqual([scope, true]);
    }
    const others = [
      "",
      "nats:admin",
      "xnats",
      "openid\tnats",
      "openid,nats",
      "NATS",
      ["a nats"],
      ["natsx"],
      [["nats"]],
    ];
    for (const scope of [...others, { nats: true }, 1, true, null, undefined]) {
      expect([scope, has(scope)]).toEqual([scope, false]);
    }
    expect(has({ nats: "nats" })).toBe(false);
  });

  test("treats a claim as present unless it is missing or null", () => {
    for (const claim of Object.keys(claims)) {
      expect([claim, meets({ claim, present: true })]).toEqual([claim, claim !== "nothing"]);
    }
    expect(meets({ claim: "missing", present: true })).toBe(false);
  });

  test("follows a path through objects only, and takes a name as it is", () => {
    expect(meets({ claim: ["object", "a"], equals: "b" })).toBe(true);
    expect(meets({ claim: ["object", "0"], equals: "c" })).toBe(true);
    expect(meets({ claim: "https://example.com/x.y", equals: "dotted" })).toBe(true);
    for (const path of ["object.a", ["object", "b"], ["list", "0"], ["list", "length"], ["text", "length"]]) {
      expect(meets({ claim: path, present: true })).toBe(false);
    }
  });

  test("is not met by inherited properties", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
      expect(meets({ claim: name, present: true })).toBe(false);
      expect(meets({ claim: ["object", name], present: true })).toBe(false);
      expect(meets({ claim: [name, "constructor"], present: true })).toBe(false);
    }
    const policy = compile([
      { when: { claims: [{ claim: "__proto__", equals: "x" }] }, grant: { role: "browser" } },
    ]);
    expect(outcome(policy, alice(JSON.parse('{"__proto__":"x"}')))).toBe("browser");
  });

  test("of an unknown kind is never met", () => {
    const misspelt = { claim: "text", equal: "a" } as unknown as Condition;
    const rules = [{ when: { claims: [misspelt] }, grant: { role: "browser" } }];
    expect(outcome(compilePolicy({ rules }, [ISSUER]), alice(claims))).toBe(RoleNotAllowedError);
  });
});

describe("rules", () => {
  const staff = { claim: "groups", contains: "staff" };
  const rules = [
    { when: { claims: [staff, { claim: "mfa", equals: true }] }, grant: { role: "admin" } },
    { when: { issuer: ISSUER, claims: [staff] }, grant: { role: "room", ttl: 300 } },
    { when: {}, grant: { role: "browser" } },
    { when: {}, grant: { role: "room", ttl: 60 } },
  ];
  const policy = compile(rules);

  test("are tried in order: the first that matches, and that grants the requested role if there is one", () => {
    const boss = alice({ groups: ["staff"], mfa: true });
    const clerk = alice({ groups: ["staff"] });
    expect(policy(boss, {}).role).toBe("admin");
    expect(policy(clerk, {})).toEqual({ role: "room", user: deriveUser(clerk), ttl: parseLifetime(300) });
    expect(policy(alice(), {}).role).toBe("browser");
    expect(policy(boss, { role: "browser" }).role).toBe("browser");
    expect(policy(clerk, { role: "room" }).ttl as number).toBe(300);
    expect(policy(alice(), { role: "room" }).ttl as number).toBe(60);
  });

  test("that don't match grant nothing, and a role that no rule names is refused", () => {
    expect(outcome(policy, alice(), { role: "admin" })).toBe(RoleNotAllowedError);
    expect(outcome(policy, alice({ groups: ["staff"] }), { role: "admin" })).toBe(RoleNotAllowedError);
    for (const role of ["other", "", "Browser", "constructor", "__proto__"]) {
      expect(outcome(policy, alice(), { role })).toBe(RoleNotAllowedError);
    }
    expect(outcome(compile([]), alice())).toBe(RoleNotAllowedError);
  });

  test("for one issuer don't apply to another with a similar name", () => {
    const rules = [{ when: { issuer: ISSUER }, grant: { role: "browser" } }];
    for (const issuer of [`${ISSUER}/`, ISSUER.toUpperCase(), "", "dev", "api-key:a"]) {
      const other = { ...alice(), issuer };
      expect(outcome(compilePolicy({ rules }, [ISSUER, issuer]), other)).toBe(RoleNotAllowedError);
      expect(
        outcome(compilePolicy({ rules: [{ when: {}, grant: { role: "browser" } }] }, [ISSUER]), other),
      ).toBe(UnauthorizedError);
    }
    expect(outcome(policy, alice())).toBe("browser");
  });

  test("for an issuer with tenants apply to its listed tenants, and to no other issuer", () => {
    const entra = "https://login.example.com/{tenantid}/v2.0";
    const named = (tenant: string) => entra.replace("{tenantid}", tenant);
    const file = parsePolicy({
      issuers: [
        {
          issuer: entra,
          tenants: ["a", "b"],
          audience: ["x"],
          discovery_url: "https://login.example.com/common",
        },
        { issuer: named("c"), audience: ["x"] },
      ],
      rules: [
        { when: { issuer: entra }, grant: { role: "browser" } },
        { when: { issuer: named("a") }, grant: { role: "room" } },
      ],
    });
    const { grant, names } = activatePolicy(file, undefined);
    expect(names).toEqual(["a", "b", "c"].map(named));
    const from = (issuer: string) => outcome(grant, { ...alice(), issuer });
    expect(["a", "b", "c", "d"].map((tenant) => from(named(tenant)))).toEqual([
      "browser",
      "browser",
      RoleNotAllowedError,
      UnauthorizedError,
    ]);
    expect(from(entra)).toBe(UnauthorizedError);
    expect(outcome(grant, { ...alice(), issuer: named("a") }, { role: "room" })).toBe("room");
    expect(outcome(grant, { ...alice(), issuer: named("b") }, { role: "room" })).toBe(RoleNotAllowedError);
    const literal = { ...file, user: { claim: "name", unique: true as const } };
    expect(() => activatePolicy(literal, undefined)).toThrow(InvalidPolicyError);
    const tenant = { issuer: named("b"), audience: ["x"] };
    expect(() => activatePolicy(file, tenant)).toThrow("is listed here too");
  });

  test("limit the lifetime to the shorter of theirs and the requested one", () => {
    const [limited, free] = [compile(room({}, { ttl: 300 })), compile(room({}))];
    expect(limited(alice(), { ttl: parseLifetime(3600) }).ttl as number).toBe(300);
    expect(limited(alice(), { ttl: parseLifetime(10) }).ttl as number).toBe(10);
    expect(free(alice(), { ttl: parseLifetime(3600) }).ttl as number).toBe(3600);
    expect(free(alice(), {}).ttl).toBeUndefined();
  });
});

describe("a user", () => {
  const literal = { claim: "preferred_username", unique: true };
  const policy = compile([{ when: {}, grant: { role: "browser" } }], literal);

  test("is derived from issuer and subject by default, whatever the claims are", () => {
    const derived = compile(room({}));
    expect(derived(alice({ preferred_username: "root", name: "root", sub: "root" }), {}).user).toBe(
      deriveUser(alice()),
    );
  });

  test("is a claim's value if the policy names a claim, and then nothing else", () => {
    expect(policy(alice({ preferred_username: "Alice-1" }), {}).user as string).toBe("Alice-1");
    for (const name of [...HOSTILE_NAMES, undefined, null, 1, true, ["alice"], { toString: "alice" }]) {
      expect(outcome(policy, alice({ preferred_username: name }))).toBe(UserNotAllowedError);
    }
    expect(outcome(policy, alice())).toBe(UserNotAllowedError);
  });

  test("can't come from a claim in the form of a derived name, which may be another caller's", () => {
    expect(outcome(policy, alice({ preferred_username: deriveUser(alice()) }))).toBe(UserNotAllowedError);
  });

  test("can only be requested by its own name", () => {
    const claims = { preferred_username: "alice" };
    expect(policy(alice(claims), { user: parseSubjectToken("alice") }).user as string).toBe("alice");
    for (const user of ["bob", "Alice", deriveUser(alice())]) {
      expect(outcome(policy, alice(claims), { user: parseSubjectToken(user) })).toBe(UserNotAllowedError);
    }
  });

  test("can't come from a claim when there are two issuers", () => {
    const rules = parsePolicy({ user: literal, rules: [] });
    expect(() => compilePolicy(rules, [ISSUER, "https://other.example.com"])).toThrow(InvalidPolicyError);
    for (const issuers of [[], [ISSUER], [ISSUER, ISSUER]]) compilePolicy(rules, issuers);
  });
});

describe("a tag", () => {
  const fromClaim = compile(room({ room: { claim: "rooms" } }));
  const grantedTags = (policy: SyncAuthorizer, claims: object, requested: Requested = {}) =>
    policy(alice(claims as Identity["claims"]), requested).tags as unknown;

  test("of one text is that text", () => {
    expect(grantedTags(fromClaim, { rooms: "lobby" })).toEqual({ room: "lobby" });
    expect(grantedTags(fromClaim, { rooms: "lobby" }, tags({ room: "lobby" }))).toEqual({ room: "lobby" });
    expect(outcome(fromClaim, alice({ rooms: "lobby" }), tags({ room: "hall" }))).toBe(TagNotAllowedError);
    expect(outcome(fromClaim, alice({ rooms: "lobby" }), tags({ room: "l" }))).toBe(TagNotAllowedError);
  });

  test("of a list is the requested value, which must be in the list; of a list of one, that value", () => {
    const claims = { rooms: ["lobby", "hall", "*"] };
    expect(grantedTags(fromClaim, claims, tags({ room: "hall" }))).toEqual({ room: "hall" });
    expect(outcome(fromClaim, alice(claims))).toBe(TagNotAllowedError);
    expect(outcome(fromClaim, alice(claims), tags({ room: "cellar" }))).toBe(TagNotAllowedError);
    expect(outcome(fromClaim, alice({ rooms: [1, 2] }), tags({ room: "1" }))).toBe(TagNotAllowedError);
    expect(grantedTags(fromClaim, { rooms: ["lobby"] })).toEqual({ room: "lobby" });
  });

  test("can be a group path without its prefix; other groups are no values", () => {
    const stripped = compile(room({ room: { claim: "groups", strip_prefix: "/tenants/" } }));
    const groups = [
      "/staff",
      "/tenants/acme",
      "/tenants/acme/admins",
      "/tenants/",
      "/tenants/*",
      "tenants/b",
      1,
      null,
    ];
    expect(grantedTags(stripped, { groups })).toEqual({ room: "acme" });
    expect(grantedTags(stripped, { groups: "/tenants/acme" })).toEqual({ room: "acme" });
    expect(grantedTags(stripped, { groups: [...groups, "/tenants/acme"] })).toEqual({ room: "acme" });
    const two = { groups: ["/tenants/acme", "/tenants/umbrella"] };
    expect(outcome(stripped, alice(two))).toBe(TagNotAllowedError);
    expect(grantedTags(stripped, two, tags({ room: "umbrella" }))).toEqual({ room: "umbrella" });
    for (const wanted of ["staff", "admins", "tenants"]) {
      expect(outcome(stripped, alice({ groups }), tags({ room: wanted }))).toBe(TagNotAllowedError);
    }
    const others = [
      [],
      ["/staff"],
      ["/tenants/a b"],
      ["/tenants/a.b"],
      ["/Tenants/a"],
      { "/tenants/a": 1 },
      undefined,
    ];
    for (const groups of others) expect(outcome(stripped, alice({ groups }))).toBe(TagNotAllowedError);
  });

  test("can be what a table has for a claim's value; other values are none", () => {
    const table = { "/tenants/Acme Inc.": "acme", "guid-1": "acme", "guid-2": "umbrella", __proto__x: "x" };
    const mapped = compile(room({ room: { claim: "groups", values: table } }));
    expect(grantedTags(mapped, { groups: "/tenants/Acme Inc." })).toEqual({ room: "acme" });
    expect(grantedTags(mapped, { groups: ["other", "guid-1", "/tenants/Acme Inc."] })).toEqual({
      room: "acme",
    });
    expect(grantedTags(mapped, { groups: ["guid-1", "guid-2"] }, tags({ room: "umbrella" }))).toEqual({
      room: "umbrella",
    });
    for (const groups of [
      "acme",
      ["acme"],
      "constructor",
      ["__proto__", "toString"],
      [["guid-1"]],
      1,
      {},
      undefined,
    ]) {
      expect([groups, outcome(mapped, alice({ groups }))]).toEqual([groups, TagNotAllowedError]);
      expect(outcome(mapped, alice({ groups }), tags({ room: "acme" }))).toBe(TagNotAllowedError);
    }
  });

  test("of a fixed value is that value", () => {
    const fixed = compile(room({ site: { value: "main" } }));
    expect(grantedTags(fixed, { site: "other" })).toEqual({ site: "main" });
    expect(grantedTags(fixed, {}, tags({ site: "main" }))).toEqual({ site: "main" });
    expect(outcome(fixed, alice(), tags({ site: "other" }))).toBe(TagNotAllowedError);
  });

  test("must be one literal subject token; the error does not repeat another value", () => {
    const values = [
      ...HOSTILE_NAMES.filter(Boolean),
      1,
      true,
      null,
      {},
      [["lobby"]],
      [],
      ["*"],
      [null],
      undefined,
    ];
    for (const rooms of values) {
      const refused = () => fromClaim(alice({ rooms }), {});
      expect(refused).toThrow(TagNotAllowedError);
      expect(refused).toThrow('tag "room": ');
      if (typeof rooms === "string" && rooms.length > 10) expect(refused).not.toThrow(rooms);
    }
    expect(outcome(fromClaim, alice())).toBe(TagNotAllowedError);
  });

  test("that the rule doesn't grant can't be requested", () => {
    const browser = compile([{ when: {}, grant: { role: "browser" } }]);
    for (const name of ["room", "__proto__", "constructor"]) {
      const requested = { tags: parseTags(JSON.parse(`{"${name}":"x"}`)) };
      expect(outcome(browser, alice({ rooms: ["x"] }), requested)).toBe(TagNotAllowedError);
    }
    expect(outcome(fromClaim, alice({ rooms: "a" }), tags({ room: "a", site: "b" }))).toBe(
      TagNotAllowedError,
    );
  });

  test("may have the name of an inherited property", () => {
    const named = compile(room({ constructor: { claim: "toString" } }));
    expect(named(alice({ toString: "a" } as never), {}).tags as unknown).toEqual({ constructor: "a" });
    expect(outcome(named, alice())).toBe(TagNotAllowedError);
  });

  test("that the caller has no value for doesn't lead to the next rule", () => {
    const policy = compile([...room({ room: { claim: "rooms" } }), ...room({ room: { value: "lobby" } })]);
    expect(outcome(policy, alice())).toBe(TagNotAllowedError);
  });
});

/** The object without the fields that are undefined. */
const withoutNothing = (all: object) =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));

describe("whatever the token contains and the caller requests", async () => {
  const { accountJwt, seeds } = await makeAccount({
    browser: {
      pub: { allow: ["users.{{name()}}.>"] },
      sub: { allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>"] },
    },
    room: {
      pub: { allow: ["rooms.{{tag(room)}}.{{name()}}.>"], deny: ["rooms.{{tag(room)}}.admin"] },
      sub: { allow: ["rooms.{{tag(room)}}.>", "sites.{{tag(site)}}.>"] },
    },
  });
  const mint = createMint({
    accountJwt,
    roles: Object.fromEntries(Object.entries(seeds).map(([role, seed]) => [role, { seed, ttl: 900 }])),
  });

  const nasty = fc.oneof(
    fc.constantFrom(...HOSTILE_NAMES, "__proto__", "constructor", "staff", "lobby", "hall", "u-"),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
  );
  const value = fc.oneof(
    { weight: 2, arbitrary: nasty },
    { weight: 2, arbitrary: fc.constantFrom("staff", "lobby", "a", true, 1, ["staff", "lobby"], ["a"]) },
    fc.array(nasty, { maxLength: 4 }),
    fc.boolean(),
    fc.integer({ min: -1, max: 2 }),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const name = fc.constantFrom("groups", "rooms", "site", "plan", "name", "__proto__", "constructor");
  const claims = fc
    .array(fc.tuple(name, value), { maxLength: 8, size: "max" })
    .map((all) => Object.fromEntries(all));
  const identity: fc.Arbitrary<Identity> = fc.record({
    method: fc.constant("oidc"),
    issuer: fc.oneof(fc.constant(ISSUER), nasty),
    subject: nasty,
    claims,
  });
  const token = fc.constantFrom("lobby", "hall", "main", "a", "__proto__").map(parseSubjectToken);
  /** A field's value, or more often none, so that it doesn't cause every request to be refused. */
  const rarely = <T>(some: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, some);
  const requested: fc.Arbitrary<Requested> = fc
    .record({
      role: rarely(fc.constantFrom("browser", "room", "unknown")),
      user: rarely(token),
      tags: rarely(fc.dictionary(fc.constantFrom("room", "site", "other"), token, { maxKeys: 2 })),
      ttl: rarely(fc.integer({ min: 10, max: 7200 }).map(parseLifetime)),
    })
    .map(withoutNothing);
  const scalar = fc.oneof(
    fc.constantFrom("staff", "lobby", "a"),
    fc.boolean(),
    fc.integer({ min: 0, max: 2 }),
  );
  const path = fc.oneof({ weight: 4, arbitrary: name }, fc.array(name, { minLength: 1, maxLength: 2 }));
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    fc.record({ claim: path, present: fc.constant(true as const) }),
    fc.record({ claim: path, contains: scalar }),
    fc.record({ claim: path, equals: scalar }),
    fc.record({ claim: path, one_of: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
  );
  const source = fc.oneof(fc.record({ claim: path }), fc.record({ value: token }));
  const rule: fc.Arbitrary<Rule> = fc.record({
    when: fc
      .record({
        issuer: rarely(fc.constant(ISSUER)),
        claims: rarely(fc.array(condition, { minLength: 1, maxLength: 2 })),
      })
      .map(withoutNothing),
    grant: fc.record(
      {
        role: fc.constantFrom("browser", "room"),
        tags: fc.dictionary(fc.constantFrom("room", "site"), source, { maxKeys: 2 }),
        ttl: fc.integer({ min: 10, max: 3600 }),
      },
      { requiredKeys: ["role"] },
    ),
  });
  const policyRules: fc.Arbitrary<PolicyRules> = fc
    .record({
      user: rarely(fc.record({ claim: path, unique: fc.constant(true as const) })),
      rules: fc.array(rule, { maxLength: 5, size: "max" }),
    })
    .map((all) => withoutNothing(all) as typeof all);

  /** The grant, or the class and message of the error, to be compared. */
  function result(rules: PolicyRules, identity: Identity, requested: Requested): unknown {
    try {
      return compilePolicy(rules, [ISSUER])(identity, requested);
    } catch (error) {
      expect(error).toBeInstanceOf(MintError);
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
  }

  test("a grant has only literal subject tokens, and its credential only its own subjects", () => {
    let grants = 0;
    fc.assert(
      fc.property(policyRules, identity, requested, (rules, identity, requested) => {
        const grant = result(rules, identity, requested) as ReturnType<SyncAuthorizer>;
        if (typeof grant === "string") return;
        const { user, tags: values = {} } = grant;
        expect([user, ...Object.values(values)].every(isSubjectToken)).toBe(true);
        if (requested.user !== undefined) expect(user).toBe(requested.user);
        for (const [tag, wanted] of Object.entries(requested.tags ?? {})) expect(values[tag]).toBe(wanted);
        if (requested.role !== undefined) expect(grant.role).toBe(requested.role);
        if (requested.ttl !== undefined) expect(grant.ttl as number).toBeLessThanOrEqual(requested.ttl);
        let minted: ReturnType<typeof mint.issue>;
        try {
          minted = mint.issue(grant);
        } catch (error) {
          // The role denies by a tag that the rule doesn't grant.
          expect(error).toBeInstanceOf(InvalidTagError);
          return;
        }
        grants++;
        const { pub, sub } = minted.permissions;
        const own = [
          `users.${user}.>`,
          `_INBOX_${user}.>`,
          `rooms.${values.room}.${user}.>`,
          `rooms.${values.room}.>`,
          `sites.${values.site}.>`,
        ];
        for (const subject of [...(pub?.allow ?? []), ...(sub?.allow ?? [])]) expect(own).toContain(subject);
        // An absent list would allow everything.
        expect(pub?.allow ?? pub?.deny?.includes(">")).toBeTruthy();
        expect(sub?.allow ?? sub?.deny?.includes(">")).toBeTruthy();
      }),
      { numRuns: 6000 },
    );
    expect(grants).toBeGreaterThan(200);
  });

  test("the order of fields, of conditions and of claims has no influence", () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, inner]) => [key, reversed(inner)]),
      );
    };
    fc.assert(
      fc.property(policyRules, identity, requested, (rules, identity, requested) => {
        const turned = reversed(rules) as PolicyRules;
        const conditions = turned.rules.map(({ when, ...rest }) => ({
          ...rest,
          when: { ...when, ...(when.claims && { claims: [...when.claims].reverse() }) },
        }));
        const other = result(
          { ...turned, rules: conditions },
          reversed(identity) as Identity,
          reversed(requested) as Requested,
        );
        const first = result(rules, identity, requested);
        // Which of two bad tags is named may change.
        const kind = (what: unknown) => (typeof what === "string" ? what.split(":")[0] : what);
        expect(kind(other)).toEqual(kind(first));
      }),
      { numRuns: 2000 },
    );
  });

  test("a missing claim never grants a role", () => {
    const refusal = "RoleNotAllowedError: ";
    let tried = 0;
    fc.assert(
      fc.property(policyRules, identity, requested, (rules, identity, requested) => {
        if (!String(result(rules, identity, requested)).startsWith(refusal)) return;
        for (const claim of Object.keys(identity.claims)) {
          const less = Object.fromEntries(Object.entries(identity.claims).filter(([name]) => name !== claim));
          expect(String(result(rules, { ...identity, claims: less }, requested))).toStartWith(refusal);
          tried++;
        }
      }),
      { numRuns: 2000 },
    );
    expect(tried).toBeGreaterThan(100);
  });

  test("a rule added at the end changes nothing for identities that an earlier rule matches", () => {
    let tried = 0;
    fc.assert(
      fc.property(policyRules, rule, identity, requested, (rules, last, identity, requested) => {
        const before = result(rules, identity, requested);
        if (String(before).startsWith("RoleNotAllowedError")) return;
        expect(result({ ...rules, rules: [...rules.rules, last] }, identity, requested)).toEqual(before);
        tried++;
      }),
      { numRuns: 2000 },
    );
    expect(tried).toBeGreaterThan(100);
  });
});
