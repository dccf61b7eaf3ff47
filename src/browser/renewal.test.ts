import { describe, expect, test } from "bun:test";
import { parseUserPublicKey } from "../core/keys/nkey.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { makeAccount } from "../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { credentials } from "./credential/endpoint.ts";
import { makeUserKey } from "./credential/key.ts";
import { CredentialError, UnauthorizedError } from "./errors.ts";
import type { LiveCredentialsEvent } from "./events.ts";
import { startRenewal } from "./renewal.ts";

const { accountJwt, seeds } = await makeAccount();
const mint: Mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 900 } } });
const HOUR = 3_600_000;

/** A response as the mint's, for this key. */
function respond(publicKey: string) {
  const { jwt, expiresAt, inboxPrefix, permissions } = mint.issue(
    { role: "browser", user: parseSubjectToken("alice") },
    parseUserPublicKey(publicKey),
  );
  return {
    jwt,
    user: "alice",
    role: "browser",
    account: mint.account,
    issued_at: expiresAt - 900,
    expires_at: expiresAt,
    server_time: Date.now(),
    servers: ["ws://127.0.0.1:1"],
    ...(inboxPrefix !== undefined && { inbox_prefix: inboxPrefix }),
    permissions,
  };
}

test.each([
  ["no number that a timer can wait for", Number.POSITIVE_INFINITY],
  ["more milliseconds than a timer can count", 2 ** 31],
  ["not a number", Number.NaN],
])("a mint that asks for a delay of %s is not flooded with requests", async (_, retryAfter) => {
  let requests = 0;
  const events: LiveCredentialsEvent[] = [];
  const source = ({ publicKey }: { publicKey: string }) => {
    if (requests++ > 0) throw new CredentialError("unavailable", "later", { retryAfter });
    return respond(publicKey);
  };
  const renewal = await startRenewal(
    source,
    await makeUserKey(undefined),
    (event) => events.push(event),
    async () => {},
  );
  const refreshed = renewal.refresh();
  while (!events.some(({ type }) => type === "delayed")) await Bun.sleep(1);
  await Bun.sleep(50);
  renewal.close();
  await expect(refreshed).rejects.toThrow("closed");
  expect(requests).toBe(2);
  const delays = events.flatMap((event) => (event.type === "delayed" ? [event.delay] : []));
  expect(delays).toEqual([expect.any(Number)]);
  expect(delays[0]).toBeGreaterThan(50);
  expect(delays[0]).toBeLessThanOrEqual(HOUR);
});

test.each(["null", "1", '"no"', "[]", "{}", "<html>", ""])(
  "a 403 whose body is %p is final",
  async (body) => {
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(body, { status: 403 }),
    });
    const source = credentials({ url: server.url });
    const { signal } = new AbortController();
    await expect(source({ publicKey: "U", signal })).rejects.toThrow(UnauthorizedError);
  },
);

describe("a page whose login has ended", () => {
  /** Renews with a token whose second request rejects with `error`. */
  async function renewWith(error: Error) {
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) =>
        Response.json(respond(((await request.json()) as { public_key: string }).public_key)),
    });
    let asked = 0;
    const token = () => {
      if (asked++ === 1) throw error;
      return "token";
    };
    const events: LiveCredentialsEvent[] = [];
    const renewal = await startRenewal(
      credentials({ url: server.url, token }),
      await makeUserKey(undefined),
      (event) => void events.push(event),
      async () => {},
    );
    const outcome = await renewal.refresh().catch((error) => error);
    return { outcome, events: events.map(({ type }) => type), asked };
  }

  test("has its UnauthorizedError reported, and sends no further request", async () => {
    const error = new UnauthorizedError("login_required");
    const { outcome, events, asked } = await renewWith(error);
    expect(outcome).toBe(error);
    expect(events).toEqual(["refreshing", "unauthorized"]);
    expect(asked).toBe(2);
  });

  test("asks for a token again after any other error", async () => {
    const { outcome, events, asked } = await renewWith(new Error("the issuer is down"));
    expect(outcome).toBeUndefined();
    expect(events).toEqual(["refreshing", "delayed", "refreshed"]);
    expect(asked).toBeGreaterThan(2);
  });
});

describe("a token that is refused", () => {
  /** The requests of one call of a source, and how it ended. */
  async function request(responses: readonly [status: number, body: object][]) {
    const tokens: string[] = [];
    const wanted: boolean[] = [];
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ headers }) => {
        tokens.push(headers.get("Authorization") ?? "none");
        const [status, body] = responses[tokens.length - 1] ?? [500, {}];
        return Response.json(body, { status });
      },
    });
    const token = ({ fresh }: { fresh: boolean }) => {
      wanted.push(fresh);
      return `${wanted.length}`;
    };
    const ask = credentials({ url: server.url, token });
    const { signal } = new AbortController();
    const outcomes = [];
    while (tokens.length < responses.length) {
      outcomes.push(await Promise.resolve(ask({ publicKey: "U", signal })).catch((error) => error));
    }
    return { outcomes, tokens, wanted };
  }

  const FRESH = [200, { expires_at: 300 }] as const;

  test.each(["token_expiring", "token_expired", "unauthorized", undefined])(
    "with the code %p is followed by a fresh one",
    async (code) => {
      const { outcomes, tokens, wanted } = await request([[401, { code }], [...FRESH]]);
      expect(outcomes).toEqual([{ expires_at: 300 }]);
      expect(tokens).toEqual(["Bearer 1", "Bearer 2"]);
      expect(wanted).toEqual([false, true]);
    },
  );

  test.each([
    ["token_expiring", true],
    ["token_expired", true],
    ["unauthorized", false],
    ["invalid_token", false],
    [undefined, false],
  ])("twice with the code %p is final, or may be for now: %p", async (code, isTokenExpired) => {
    const { outcomes, wanted } = await request([
      [200, { expires_at: 200 }],
      [401, { code }],
      [401, { code }],
      [401, { code }],
      [...FRESH],
      [200, { expires_at: 400 }],
    ]);
    // A third refusal, and then a token of any kind again.
    expect(wanted).toEqual([false, false, true, true, true, false]);
    expect(outcomes.slice(1, 3)).toEqual([expect.any(UnauthorizedError), expect.any(UnauthorizedError)]);
    expect(outcomes.slice(1, 3).map((error) => error.isTokenExpired)).toEqual([
      isTokenExpired,
      isTokenExpired,
    ]);
    expect(outcomes.slice(3)).toEqual([{ expires_at: 300 }, { expires_at: 400 }]);
  });

  test.each([
    ["token_expiring", true],
    ["token_expired", false],
  ])(
    "at the first request with the code %p is final, or may be for now: %p",
    async (code, isTokenExpired) => {
      const { outcomes } = await request([
        [401, { code }],
        [401, { code }],
      ]);
      expect(outcomes).toMatchObject([{ name: "UnauthorizedError", isTokenExpired }]);
    },
  );

  test("is not followed by another on status 403", async () => {
    const { outcomes, wanted } = await request([[403, { code: "token_expired" }]]);
    expect(outcomes).toEqual([expect.any(UnauthorizedError)]);
    expect(wanted).toEqual([false]);
  });

  test("or gives no later end is followed by a fresh one, whose failure does no harm", async () => {
    const { outcomes, wanted } = await request([
      [...FRESH],
      [...FRESH],
      [200, { expires_at: 600 }],
      [200, { expires_at: 600 }],
      [503, {}],
      [200, { expires_at: 900 }],
    ]);
    expect(wanted).toEqual([false, false, true, false, true, true]);
    expect(outcomes.map(({ expires_at }) => expires_at)).toEqual([300, 600, 600, 900]);
  });

  test("is not asked for again by a mint whose responses have no end", async () => {
    const { wanted } = await request([
      [200, {}],
      [200, {}],
      [200, {}],
    ]);
    expect(wanted).toEqual([false, false, false]);
  });
});
