import { beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { ConfigError } from "../../core/errors.ts";
import { createMint, type Mint } from "../../core/mint.ts";
import { makeAccount } from "../../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../core/subject-token.ts";
import { type AppOptions, createApp } from "../app.ts";

const PROXY = "10.0.0.1";
let mint: Mint;

beforeAll(async () => {
  const { accountJwt, seeds } = await makeAccount();
  mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 60 } } });
});

/** Takes the peer's address from `X-Peer` and the caller from `X-Caller`: `issuer|subject`. */
function makeApp(more: Partial<AppOptions> = {}): Hono {
  return createApp({
    mint,
    authenticate: (request) => {
      const [issuer = "", subject] = request.headers.get("x-caller")?.split("|") ?? [];
      return subject === undefined ? null : { issuer, subject, claims: {} };
    },
    grant: () => ({ role: "browser", user: parseSubjectToken("u") }),
    servers: { websocket: [], tcp: [] },
    peerAddress: (c) => c.req.header("X-Peer"),
    trustedProxies: [PROXY],
    rateLimit: { address: 5, subject: 3 },
    ...more,
  });
}

const post = (app: Hono, headers: Record<string, string>, body = "{}") =>
  Promise.resolve(
    app.request("/creds", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body,
    }),
  );

/** How many requests go through before the first 429, of which there must be one. */
async function untilRefused(app: Hono, headers: () => Record<string, string>): Promise<number> {
  for (let count = 0; count < 50; count++) {
    if ((await post(app, headers())).status === 429) return count;
  }
  throw new Error("was never refused");
}

let serial = 0;
const newCaller = () => ({ "X-Caller": `issuer|s${serial++}` });

describe("an address", () => {
  test("has its requests a minute, and then 429 with the time to wait", async () => {
    const app = makeApp();
    const response = await post(app, { "X-Peer": "192.0.2.1", ...newCaller() });
    expect(response.status).toBe(200);
    expect(response.headers.get("RateLimit-Policy")).toBe('"address";q=5;w=60, "subject";q=3;w=60');
    expect(response.headers.get("RateLimit")).toBe('"address";r=4;t=12, "subject";r=2;t=20');
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...newCaller() }))).toBe(4);
    const refused = await post(app, { "X-Peer": "192.0.2.1", ...newCaller() });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: "rate_limited" });
    const wait = Number(refused.headers.get("Retry-After"));
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(12);
    expect(refused.headers.get("RateLimit")).toBe(`"address";r=0;t=${wait}`);
    expect(refused.headers.get("RateLimit-Policy")).toBe('"address";q=5;w=60, "subject";q=3;w=60');
  });

  test("is counted for any request, before it is read", async () => {
    const app = makeApp();
    const peer = { "X-Peer": "192.0.2.1" };
    expect((await post(app, peer, "garbage")).status).toBe(400);
    expect((await post(app, { ...peer, "Content-Type": "text/plain" })).status).toBe(415);
    expect((await post(app, peer, "x".repeat(9000))).status).toBe(413);
    expect((await post(app, peer)).status).toBe(401);
    expect((await post(app, { ...peer, ...newCaller() })).status).toBe(200);
    expect((await post(app, peer, "garbage")).status).toBe(429);
  });

  test("does not use up another's", async () => {
    const app = makeApp();
    await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...newCaller() }));
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.2", ...newCaller() }))).toBe(5);
  });

  test("of IPv6 counts with its whole /64, and not with the next", async () => {
    const app = makeApp();
    let host = 1;
    const next = () => ({ "X-Peer": `2001:db8:0:1:${host++}::${host}`, ...newCaller() });
    expect(await untilRefused(app, next)).toBe(5);
    expect(await untilRefused(app, () => ({ "X-Peer": "2001:db8:0:2::1", ...newCaller() }))).toBe(5);
  });

  test("of IPv4 is the same in each of its forms", async () => {
    const app = makeApp();
    const forms = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"];
    let turn = 0;
    expect(await untilRefused(app, () => ({ "X-Peer": forms[turn++ % 3] ?? "", ...newCaller() }))).toBe(5);
  });

  test("in a forged header does not count: the peer's does, unless it is a trusted proxy's", async () => {
    const app = makeApp();
    let host = 1;
    const forged = () => ({ "X-Forwarded-For": `198.51.100.${host++}`, ...newCaller() });
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...forged() }))).toBe(5);
    const throughProxy = () => ({
      "X-Peer": PROXY,
      ...newCaller(),
      "X-Forwarded-For": `198.51.100.${host++}, 192.0.2.7`,
    });
    expect(await untilRefused(app, throughProxy)).toBe(5);
    for (let i = 0; i < 20; i++) expect((await post(app, { "X-Peer": PROXY, ...forged() })).status).toBe(200);
  });

  test("that is unknown has no limit", async () => {
    const app = makeApp();
    for (let i = 0; i < 20; i++) {
      const response = await post(app, newCaller());
      expect(response.status).toBe(200);
      expect(response.headers.get("RateLimit")).toBe('"subject";r=2;t=20');
    }
  });
});

describe("a caller", () => {
  const from = (caller: string) => () => ({ "X-Caller": caller });

  test("has its requests a minute, from any address", async () => {
    const app = makeApp();
    let host = 1;
    const roaming = () => ({ "X-Peer": `192.0.2.${host++}`, "X-Caller": "issuer|alice" });
    expect(await untilRefused(app, roaming)).toBe(3);
    const refused = await post(app, roaming());
    const wait = refused.headers.get("Retry-After");
    expect(refused.headers.get("RateLimit")).toBe(`"address";r=4;t=12, "subject";r=0;t=${wait}`);
  });

  test("does not use up another's, however alike the two are", async () => {
    const app = makeApp();
    const alike = ["https://a|b", "https://ab|", "https://|ab", "4:a|b", "a|4:b", "1:a|b", "|1:ab"];
    const long = ["x".repeat(500), "y".repeat(500)];
    for (const caller of [...alike, ...long.map((text) => `issuer|${text}`)]) {
      expect([caller, await untilRefused(app, from(caller))]).toEqual([caller, 3]);
    }
  });
});

describe("no limit", () => {
  test("applies to other paths and preflights", async () => {
    const app = makeApp({ allowedOrigins: ["https://app.example.com"] });
    const peer = { "X-Peer": "192.0.2.1" };
    const preflight = {
      ...peer,
      Origin: "https://app.example.com",
      "Access-Control-Request-Method": "POST",
    };
    for (let i = 0; i < 20; i++) {
      expect((await app.request("/healthz", { headers: peer })).status).toBe(200);
      expect((await app.request("/readyz", { headers: peer })).status).toBe(200);
      expect((await app.request("/creds", { method: "OPTIONS", headers: preflight })).status).toBe(204);
    }
    expect((await post(app, { ...peer, ...newCaller() })).headers.get("RateLimit")).toStartWith(
      '"address";r=4',
    );
  });

  test("applies when it is off, and responses have no headers about it", async () => {
    const app = makeApp({ rateLimit: "off" });
    for (let i = 0; i < 20; i++) {
      const response = await post(app, { "X-Peer": "192.0.2.1", "X-Caller": "issuer|alice" });
      expect(response.status).toBe(200);
      expect([...response.headers.keys()].filter((name) => name.startsWith("ratelimit"))).toEqual([]);
    }
  });
});

test("a limit is a whole number from 1, and there are both or none", () => {
  for (const wrong of [
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1_000_001,
    "5",
    undefined,
  ] as number[]) {
    expect(() => makeApp({ rateLimit: { address: wrong, subject: 60 } })).toThrow(ConfigError);
    expect(() => makeApp({ rateLimit: { address: 600, subject: wrong } })).toThrow(ConfigError);
  }
  expect(() => makeApp({ rateLimit: { address: 5 } as never })).toThrow(ConfigError);
});
