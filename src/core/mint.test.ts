import { beforeAll, describe, expect, test } from "bun:test";
import { createUser, decode, encodeUser, fmtCreds, fromSeed, type User } from "@nats-io/jwt";
import fc from "fast-check";
import {
  InvalidKeysError,
  InvalidLifetimeError,
  InvalidTagError,
  InvalidUserError,
  RoleNotAllowedError,
  UnauthorizedError,
} from "./errors.ts";
import { HOSTILE_NAMES } from "./hostile.fixture.ts";
import type { Grant } from "./identity.ts";
import { formatCreds } from "./keys/creds-file.ts";
import { parseUserPublicKey, type UserPublicKey } from "./keys/nkey.ts";
import { parseLifetime } from "./lifetime.ts";
import { createMint, type Mint, type MintOptions } from "./mint.ts";
import { type AccountFixture, BROWSER, makeAccount } from "./roles/account.fixture.ts";
import { parseSubjectToken } from "./subject-token.ts";
import { parseTags } from "./tags.ts";

const NOW = 1_795_350_000;
const alice = parseSubjectToken("alice");
const grant: Grant = { role: "browser", user: alice };

let account: AccountFixture;
let options: MintOptions;
let mint: Mint;

beforeAll(async () => {
  account = await makeAccount({
    browser: BROWSER,
    service: { pub: { allow: ["svc.{{tag(room)}}"] }, sub: { allow: ["svc"] } },
  });
  options = {
    accountJwt: account.accountJwt,
    roles: {
      browser: { seed: account.seeds.browser ?? "", ttl: 900 },
      service: { seed: account.seeds.service ?? "", ttl: 86_400 },
    },
    now: () => NOW * 1000 + 999,
  };
  mint = createMint(options);
});

describe("a credential", () => {
  test("decodes and verifies with the official library, and has the claims that encodeUser writes", async () => {
    const user = createUser();
    const tags = parseTags({ room: "Lobby", team: "a" });
    const { jwt } = mint.issue({ ...grant, tags }, parseUserPublicKey(user.getPublicKey()));
    const { jti, ...ours } = decode<User>(jwt);

    const signer = fromSeed(new TextEncoder().encode(account.seeds.browser));
    const scoped = { tags: ["room:Lobby", "team:a"] };
    const theirJwt = await encodeUser("alice", user, account.publicKey, scoped, {
      scopedUser: true,
      signer,
      exp: NOW + 900,
    });
    const { jti: _, ...theirs } = decode<User>(theirJwt);

    expect(ours as object).toEqual({ ...theirs, iat: NOW });
    expect(jti).toMatch(/^[A-Z2-7]{52}$/);
    expect(jwt.split(".")[0]).toBe(theirJwt.split(".")[0] as string);
  });

  test("verifies, and permits only the user's own subjects, whatever the name", () => {
    const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/).map(parseSubjectToken);
    fc.assert(
      fc.property(token, token, (user, room) => {
        const { jwt, permissions, seed } = mint.issue({ role: "service", user, tags: parseTags({ room }) });
        const claims = decode<User>(jwt);
        expect(claims.name).toBe(user);
        expect(claims.nats).toEqual({
          tags: [`room:${room}`],
          issuer_account: account.publicKey,
          type: "user",
          version: 2,
        } as never);
        expect(fromSeed(new TextEncoder().encode(seed)).getPublicKey()).toBe(claims.sub);
        expect(permissions).toEqual({ pub: { allow: [`svc.${room}`] }, sub: { allow: ["svc"] } });
      }),
      { numRuns: 25 },
    );
  });

  test("has the same JSON as an object with its claims, and is read by the official library", () => {
    const token = fc.string({ unit: fc.constantFrom(..."aZ09_-"), minLength: 1, maxLength: 64 });
    const tagName = fc.string({ unit: fc.constantFrom(..."az09_-"), minLength: 1, maxLength: 64 });
    const tags = fc.dictionary(tagName, token, { maxKeys: 16 });
    const ttl = fc.option(fc.integer({ min: 10, max: 4000 }), { nil: undefined });
    fc.assert(
      fc.property(token, tags, ttl, (name, tags, ttl) => {
        const { jwt, jti, ...made } = mint.issue({
          role: "browser",
          user: parseSubjectToken(name),
          tags: parseTags(tags),
          ttl: ttl === undefined ? undefined : parseLifetime(ttl),
        });
        const tagList = Object.entries(tags).map(([name, value]) => `${name}:${value}`);
        const { iss } = decode(jwt);
        const claims = {
          jti,
          iat: NOW,
          exp: NOW + Math.min(ttl ?? 900, 900),
          aud: "NATS",
          name,
          sub: made.publicKey,
          nats: {
            ...(tagList.length > 0 && { tags: tagList }),
            issuer_account: account.publicKey,
            type: "user",
            version: 2,
          },
          iss,
        };
        const payload = Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString();
        expect(payload).toBe(JSON.stringify(claims));
        expect(decode(jwt) as object).toEqual(claims);
      }),
    );
  });

  test("keeps a public key that is none one JSON string, from a caller without types", () => {
    for (const key of ['U","nats":{"type":"account"},"x":"', "\\", "\n", "ü", '"']) {
      const { jwt } = mint.issue(grant, key as UserPublicKey);
      const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
      expect(claims.sub).toBe(key);
      expect(claims.nats.type).toBe("user");
    }
  });

  test("comes with everything that the client needs to know", () => {
    const publicKey = parseUserPublicKey(createUser().getPublicKey());
    const { jwt, seed, ...rest } = mint.issue(grant, publicKey);
    expect(seed).toBeUndefined();
    expect(rest as object).toEqual({
      jti: JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()).jti,
      publicKey,
      user: "alice",
      role: "browser",
      tags: {},
      account: account.publicKey,
      issuedAt: NOW,
      expiresAt: NOW + 900,
      permissions: { pub: { allow: ["users.alice.>"] }, sub: { allow: ["users.alice.>", "_INBOX_alice.>"] } },
      inboxPrefix: "_INBOX_alice",
      connectionTypes: ["WEBSOCKET"],
    });
  });

  test("has a new key pair each time no public key is requested", () => {
    expect(mint.issue(grant).seed).not.toBe(mint.issue(grant).seed as string);
  });

  test("as a creds file is what the official library writes", () => {
    const { jwt, seed = "" } = mint.issue(grant);
    const theirs = fmtCreds(jwt, fromSeed(new TextEncoder().encode(seed)));
    expect(formatCreds(jwt, seed)).toBe(new TextDecoder().decode(theirs));
  });
});

describe("a lifetime", () => {
  const lifetime = (more: Partial<Grant>) => {
    const { issuedAt, expiresAt } = mint.issue({ ...grant, ...more });
    return expiresAt - issuedAt;
  };

  test("is the shortest of the role's, the requested one, and what is left of the proof", () => {
    expect(lifetime({})).toBe(900);
    expect(lifetime({ ttl: parseLifetime(60) })).toBe(60);
    expect(lifetime({ ttl: parseLifetime(7200) })).toBe(900);
    expect(lifetime({ expiresBy: NOW + 30 })).toBe(30);
    expect(lifetime({ expiresBy: NOW + 30.9 })).toBe(30);
    expect(lifetime({ expiresBy: NOW + 30, ttl: parseLifetime(20) })).toBe(20);
    expect(lifetime({ expiresBy: Number.POSITIVE_INFINITY })).toBe(900);
  });

  test("is an hour at most, whatever the ttl of the role", () => {
    expect(lifetime({ role: "service" })).toBe(3600);
  });

  test("is refused when the proof expires in less than 10 s, or its expiry is not a number", () => {
    for (const [expiresBy, code] of [
      [NOW + 9.9, "token_expiring"],
      [NOW + 1, "token_expiring"],
      [NOW, "token_expired"],
      [NOW - 1000, "token_expired"],
      [Number.NEGATIVE_INFINITY, "token_expired"],
      [Number.NaN, "unauthorized"],
    ] as const) {
      const refused = () => lifetime({ expiresBy });
      expect(refused).toThrow(UnauthorizedError);
      expect(refused).toThrow(expect.objectContaining({ code }));
    }
    expect(lifetime({ expiresBy: NOW + 10 })).toBe(10);
  });

  test("is refused when the requested one is not in whole seconds, or too short", () => {
    for (const ttl of [9, 0, -60, 10.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, "60", null]) {
      expect(() => parseLifetime(ttl)).toThrow(InvalidLifetimeError);
      expect(() => lifetime({ ttl: ttl as never })).toThrow(InvalidLifetimeError);
    }
  });
});

describe("the mint refuses", () => {
  test("a role it has no key for, even the name of a property that every object inherits", () => {
    for (const role of [
      "admin",
      "",
      "Browser",
      "browser ",
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
    ]) {
      expect(() => mint.issue({ ...grant, role })).toThrow(RoleNotAllowedError);
    }
  });

  test("a name or a tag that is not one subject token, even from a caller without types", () => {
    for (const name of HOSTILE_NAMES) {
      expect(() => mint.issue({ ...grant, user: name as never })).toThrow(InvalidUserError);
      expect(() => mint.issue({ ...grant, tags: { room: name as never } })).toThrow(InvalidTagError);
    }
    expect(() => mint.issue({ ...grant, user: ["alice"] as never })).toThrow(InvalidUserError);
    expect(() => mint.issue({ ...grant, tags: { room: ["a", "b"] as never } })).toThrow(InvalidTagError);
  });
});

describe("keys are refused as a whole", () => {
  const withSeed = (seed: string) => ({
    ...options,
    roles: { ...options.roles, browser: { seed, ttl: 900 } },
  });
  const refused = (wrong: MintOptions) => {
    expect(() => createMint(wrong)).toThrow(InvalidKeysError);
  };

  test("when a seed is not that role's key in the account JWT", async () => {
    const other = await makeAccount();
    refused(withSeed(other.seeds.browser ?? ""));
    refused(withSeed(account.seeds.service ?? ""));
    refused(withSeed(account.accountSeed));
    refused(withSeed(new TextDecoder().decode(createUser().getSeed())));
    refused(withSeed(""));
    refused({
      ...options,
      roles: {
        ...options.roles,
        __proto__: null,
        admin: { seed: account.seeds.browser ?? "", ttl: 900 },
      } as never,
    });
  });

  test("when a lifetime is not whole seconds, or too short", () => {
    for (const ttl of [0, 9, 60.5, Number.NaN, -1, "900", undefined]) {
      refused({ ...options, roles: { browser: { seed: account.seeds.browser ?? "", ttl: ttl as number } } });
    }
  });

  test("when the account JWT is not one, or was changed", async () => {
    const [header, body, signature] = account.accountJwt.split(".");
    const claims = JSON.parse(Buffer.from(body ?? "", "base64url").toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, name: "EVIL" })).toString("base64url");
    const none = Buffer.from('{"typ":"JWT","alg":"none"}').toString("base64url");
    const user = mint.issue(grant).jwt;
    for (const accountJwt of [
      "",
      "a.b.c",
      user,
      `${header}.${changed}.${signature}`,
      `${header}.${body}.`,
      `${none}.${body}.${signature}`,
    ]) {
      refused({ ...options, accountJwt });
    }
  });

  test("when the account JWT has expired", async () => {
    const expired = await makeAccount({ browser: BROWSER }, { exp: NOW - 1 });
    refused({
      ...options,
      accountJwt: expired.accountJwt,
      roles: { browser: { seed: expired.seeds.browser ?? "", ttl: 900 } },
    });
  });

  test("and the message contains neither seed nor JWT", () => {
    const seed = account.accountSeed;
    let message = "";
    try {
      createMint(withSeed(seed));
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('role "browser"');
    expect(message).not.toContain(seed.slice(0, 8));
  });
});
