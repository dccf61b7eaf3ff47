import { beforeAll, describe, expect, test } from "bun:test";
import { decode, type User } from "@nats-io/jwt";
import fc from "fast-check";
import type { Decision } from "./decision.ts";
import {
  ConfigError,
  InvalidRequestError,
  RateLimitedError,
  RoleNotAllowedError,
  UnauthorizedError,
} from "./errors.ts";
import type { Grant, Identity, Proof, Requested } from "./identity.ts";
import { type IssueParts, issue } from "./issue.ts";
import { createMint, findMint, type Mint } from "./mint.ts";
import { rateLimiter } from "./rate-limit.ts";
import { makeAccount } from "./roles/account.fixture.ts";
import { parseSubjectToken } from "./subject-token.ts";

const NOW = 1_795_350_000;
const alice = parseSubjectToken("alice");
const IDENTITY: Identity = { method: "oidc", issuer: "https://login.test", subject: "alice", claims: {} };

let app: Mint;
let other: Mint;

async function makeMint(): Promise<Mint> {
  const { accountJwt, seeds } = await makeAccount();
  const roles = { browser: { seed: seeds.browser ?? "", ttl: 900 } };
  return createMint({ accountJwt, roles, now: () => NOW * 1000 });
}

beforeAll(async () => {
  [app, other] = [await makeMint(), { ...(await makeMint()), accountName: "other" }];
});

function makeParts(more: Partial<IssueParts> = {}) {
  const decisions: Decision[] = [];
  const parts: IssueParts = {
    authenticateToken: (token) => (token === "good" ? IDENTITY : null),
    grant: ({ subject }) => ({ role: "browser", user: parseSubjectToken(subject) }),
    mintFor: (account) => findMint([app, other], account),
    limits: rateLimiter({ address: 4, subject: 2 }),
    onDecision: (decision) => decisions.push(decision),
    ...more,
  };
  return { parts, decisions };
}

let serial = 0;
/** A second door: a command that receives a token and an address, and prints the JWT. */
const command = (parts: IssueParts, token: string | null, address = "192.0.2.1", requested: Requested = {}) =>
  issue(parts, {
    context: { requestId: `r${serial++}`, address, began: performance.now() },
    read: () => ({ proof: token === null ? null : { kind: "token", token }, requested }),
    respond: ({ jwt }) => jwt,
  });

describe("a door without HTTP", () => {
  test("issues a credential for a token, and reports the decision like any other door", async () => {
    const { parts, decisions } = makeParts();
    const { response, error } = await command(parts, "good");
    expect(error).toBeUndefined();
    const { name, exp, sub, jti } = decode<User>(response ?? "");
    expect([name, exp]).toEqual(["alice", NOW + 900]);
    expect(decisions).toEqual([
      {
        outcome: "granted",
        code: "granted",
        reason: undefined,
        status: undefined,
        requestId: expect.any(String),
        address: "192.0.2.1",
        method: "oidc",
        issuer: "https://login.test",
        subject: "alice",
        credential: {
          account: app.account,
          role: "browser",
          user: "alice",
          tags: {},
          publicKey: sub,
          jti,
          expiresAt: NOW + 900,
        },
        duration: expect.any(Number),
        mintDuration: expect.any(Number),
      },
    ]);
  });

  test("has the same limits for the address and for the caller", async () => {
    const { parts, decisions } = makeParts();
    const codes = async (address: string) => (await command(parts, "good", address)).error;
    expect([await codes("192.0.2.1"), await codes("192.0.2.2")]).toEqual([undefined, undefined]);
    expect(await codes("192.0.2.3")).toBeInstanceOf(RateLimitedError);
    for (let i = 0; i < 3; i++) await command(parts, null, "192.0.2.1");
    const { error, limits } = await command(parts, "good", "192.0.2.1");
    expect(error).toBeInstanceOf(RateLimitedError);
    expect(limits).toEqual([{ limit: "address", left: 0, next: 15 }]);
    expect(decisions.at(-1)).toMatchObject({ outcome: "refused", code: "rate_limited" });
  });

  test("issues no credential that outlives the proof", async () => {
    const { parts } = makeParts({ authenticateToken: () => ({ ...IDENTITY, expiresAt: NOW + 60 }) });
    const { response } = await command(parts, "any");
    expect(decode(response ?? "").exp).toBe(NOW + 60);
  });

  test("refuses and reports a request without a proof and a token of an unknown kind", async () => {
    const { parts, decisions } = makeParts();
    for (const token of [null, "unknown"]) {
      expect((await command(parts, token)).error).toBeInstanceOf(UnauthorizedError);
    }
    expect(decisions).toMatchObject([
      { outcome: "refused", code: "unauthorized", reason: "no_proof", credential: undefined },
      { outcome: "refused", code: "unauthorized", reason: "malformed", credential: undefined },
    ]);
    const { error } = await command(makeParts({ authenticateToken: undefined }).parts, "good");
    expect(error).toBeInstanceOf(UnauthorizedError);
  });

  test("reports an error of its own steps, before and after the decision, as a refusal", async () => {
    const { parts, decisions } = makeParts();
    const context = { requestId: "r", address: undefined, began: 0 };
    const proof: Proof = { kind: "identity", identity: IDENTITY };
    const fail = (thrown: unknown) => () => {
      throw thrown;
    };
    const unread = await issue(parts, {
      context,
      read: fail(new InvalidRequestError("no")),
      respond: String,
    });
    const unsent = await issue(parts, {
      context,
      read: () => ({ proof, requested: {} }),
      respond: fail("a text"),
    });
    expect(unread.error).toBeInstanceOf(InvalidRequestError);
    expect(unsent).toMatchObject({ error: { cause: "a text" } });
    expect(decisions).toMatchObject([
      { outcome: "refused", code: "invalid_request", credential: undefined },
      { outcome: "refused", code: "internal_error", subject: "alice", credential: undefined },
    ]);
  });

  test("issues no credential when the decision can't be reported", async () => {
    const { parts } = makeParts({
      onDecision() {
        throw new Error("the audit is full");
      },
    });
    await expect(command(parts, "good")).rejects.toThrow("the audit is full");
  });
});

describe("the account", () => {
  const issuedFor = async (account: string | undefined) => {
    const { parts } = makeParts({ grant: () => ({ account, role: "browser", user: alice }) });
    const { response, error } = await command(parts, "good");
    if (error) throw error;
    return (decode<User>(response ?? "").nats as unknown as { issuer_account: string }).issuer_account;
  };

  test("is the one that the grant names, or else the first", async () => {
    expect(await issuedFor("other")).toBe(other.account);
    expect(await issuedFor(undefined)).toBe(app.account);
  });

  test("without a mint is refused like a role that doesn't exist", async () => {
    await expect(issuedFor("third")).rejects.toThrow(RoleNotAllowedError);
    await expect(issuedFor("")).rejects.toThrow(RoleNotAllowedError);
  });
});

test("two accounts of the same name are refused, since the grant could mean either", async () => {
  const { parts } = makeParts({
    grant: () => ({ account: "other", role: "browser", user: alice }),
    mintFor: (account) => findMint([other, { ...app, accountName: "other" }], account),
  });
  expect((await command(parts, "good")).error).toBeInstanceOf(ConfigError);
});

test("no credential outlives its proof, whatever a door passes in", async () => {
  const time = fc.oneof(
    fc.integer({ min: NOW - 100, max: NOW + 5000 }),
    fc.double({ min: NOW - 100, max: NOW + 5000, noNaN: true }),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 2 ** 53),
    // JavaScript callers have no types.
    fc.constantFrom(
      "2030-01-01T00:00:00Z",
      String(NOW + 60),
      null,
      {},
      [],
      10n ** 20n,
    ) as fc.Arbitrary<unknown>,
  ) as fc.Arbitrary<number>;
  const ttl = fc.oneof(fc.integer({ min: -1, max: 100_000 }), fc.double(), fc.constant(undefined));
  const scenario = fc.record({
    kind: fc.constantFrom("token", "identity"),
    expiresAt: time,
    expiresBy: fc.oneof(time, fc.constant(undefined)),
    ttl,
    requested: ttl,
    /** A change of the identity by the policy, which may be an application's code. */
    tamper: fc.constantFrom("nothing", "removes", "extends"),
  });
  let issued = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ kind, expiresAt, expiresBy, ttl, requested, tamper }) => {
      const identity = { ...IDENTITY, expiresAt };
      const { parts } = makeParts({
        limits: rateLimiter("off"),
        authenticateToken: () => identity,
        grant(identity): Grant {
          if (tamper === "extends") (identity as { expiresAt: number }).expiresAt = NOW + 100_000;
          if (tamper === "removes") delete (identity as { expiresAt?: number }).expiresAt;
          return { role: "browser", user: alice, ttl, expiresBy } as Grant;
        },
      });
      const proof: Proof = kind === "token" ? { kind, token: "any" } : { kind: "identity", identity };
      const { response } = await issue(parts, {
        context: { requestId: "r", address: undefined, began: 0 },
        read: () => ({ proof, requested: { ttl: requested } as Requested }),
        respond: (credentials) => credentials,
      });
      if (!response) return;
      issued++;
      expect(typeof expiresAt).toBe("number");
      // Without a check of the signature, which takes most of the time.
      const { exp } = JSON.parse(Buffer.from(response.jwt.split(".")[1] ?? "", "base64url").toString());
      expect(exp).toBe(response.expiresAt);
      expect(exp).toBeLessThanOrEqual(expiresAt);
      expect(exp).toBeLessThanOrEqual(NOW + 900);
    }),
    { numRuns: 2000 },
  );
  expect(issued).toBeGreaterThan(200);
});
