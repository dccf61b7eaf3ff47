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

/** Believes `X-Peer` about the other end of the connection and `X-Caller` about the caller: `issuer|subject`. */
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

const ask = (app: Hono, headers: Record<string, string>, body = "{}") =>
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
    if ((await ask(app, headers())).status === 429) return count;
  }
  throw new Error("was never refused");
}

let serial = 0;
const anybody = () => ({ "X-Caller": `issuer|s${serial++}` });

describe("an address", () => {
  test("has its requests a minute, and then 429 with the time to wait", async () => {
    const app = makeApp();
    const answer = await ask(app, { "X-Peer": "192.0.2.1", ...anybody() });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("RateLimit-Policy")).toBe('"address";q=5;w=60, "subject";q=3;w=60');
    expect(answer.headers.get("RateLimit")).toBe('"address";r=4;t=12, "subject";r=2;t=20');
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...anybody() }))).toBe(4);
    const refused = await ask(app, { "X-Peer": "192.0.2.1", ...anybody() });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: "rate_limited" });
    const wait = Number(refused.headers.get("Retry-After"));
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(12);
    expect(refused.headers.get("RateLimit")).toBe(`"address";r=0;t=${wait}`);
    expect(refused.headers.get("RateLimit-Policy")).toBe('"address";q=5;w=60, "subject";q=3;w=60');
  });

  test("is counted whatever it asks, before anything is read", async () => {
    const app = makeApp();
    const peer = { "X-Peer": "192.0.2.1" };
    expect((await ask(app, peer, "garbage")).status).toBe(400);
    expect((await ask(app, { ...peer, "Content-Type": "text/plain" })).status).toBe(415);
    expect((await ask(app, peer, "x".repeat(9000))).status).toBe(413);
    expect((await ask(app, peer)).status).toBe(401);
    expect((await ask(app, { ...peer, ...anybody() })).status).toBe(200);
    expect((await ask(app, peer, "garbage")).status).toBe(429);
  });

  test("does not use up another's", async () => {
    const app = makeApp();
    await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...anybody() }));
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.2", ...anybody() }))).toBe(5);
  });

  test("of IPv6 counts with its whole /64, and not with the next", async () => {
    const app = makeApp();
    let host = 1;
    const next = () => ({ "X-Peer": `2001:db8:0:1:${host++}::${host}`, ...anybody() });
    expect(await untilRefused(app, next)).toBe(5);
    expect(await untilRefused(app, () => ({ "X-Peer": "2001:db8:0:2::1", ...anybody() }))).toBe(5);
  });

  test("of IPv4 is one, in whatever form it comes", async () => {
    const app = makeApp();
    const forms = ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"];
    let turn = 0;
    expect(await untilRefused(app, () => ({ "X-Peer": forms[turn++ % 3] ?? "", ...anybody() }))).toBe(5);
  });

  test("that is made up counts for nothing: it is the peer's, unless that is a trusted proxy", async () => {
    const app = makeApp();
    let host = 1;
    const madeUp = () => ({ "X-Forwarded-For": `198.51.100.${host++}`, ...anybody() });
    expect(await untilRefused(app, () => ({ "X-Peer": "192.0.2.1", ...madeUp() }))).toBe(5);
    const throughProxy = () => ({
      "X-Peer": PROXY,
      ...anybody(),
      "X-Forwarded-For": `198.51.100.${host++}, 192.0.2.7`,
    });
    expect(await untilRefused(app, throughProxy)).toBe(5);
    for (let i = 0; i < 20; i++) expect((await ask(app, { "X-Peer": PROXY, ...madeUp() })).status).toBe(200);
  });

  test("that nobody knows has no limit", async () => {
    const app = makeApp();
    for (let i = 0; i < 20; i++) {
      const answer = await ask(app, anybody());
      expect(answer.status).toBe(200);
      expect(answer.headers.get("RateLimit")).toBe('"subject";r=2;t=20');
    }
  });
});

describe("a caller", () => {
  const from = (caller: string) => () => ({ "X-Caller": caller });

  test("has its requests a minute, from wherever", async () => {
    const app = makeApp();
    let host = 1;
    const roaming = () => ({ "X-Peer": `192.0.2.${host++}`, "X-Caller": "issuer|alice" });
    expect(await untilRefused(app, roaming)).toBe(3);
    const refused = await ask(app, roaming());
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
  test("is there for other paths and preflights", async () => {
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
    expect((await ask(app, { ...peer, ...anybody() })).headers.get("RateLimit")).toStartWith('"address";r=4');
  });

  test("is there when it is off, and nothing about one in the answer", async () => {
    const app = makeApp({ rateLimit: "off" });
    for (let i = 0; i < 20; i++) {
      const answer = await ask(app, { "X-Peer": "192.0.2.1", "X-Caller": "issuer|alice" });
      expect(answer.status).toBe(200);
      expect([...answer.headers.keys()].filter((name) => name.startsWith("ratelimit"))).toEqual([]);
    }
  });
});

test("a limit is a whole number from 1 on, and there are both or none", () => {
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
