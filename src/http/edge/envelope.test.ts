import { beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { Hono as Application } from "hono";
import { requestId as honoRequestId } from "hono/request-id";
import { IssuerUnavailableError, RateLimitedError, UnauthorizedError } from "../../core/errors.ts";
import { createMint, type Mint } from "../../core/mint.ts";
import { makeAccount } from "../../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../core/subject-token.ts";
import { type AppOptions, createApp } from "../app.ts";

/** What every answer carries, to whomever: CORS, challenges, names and the headers that keep browsers in check. */

const PAGE = "https://app.example.com";
let mint: Mint;

beforeAll(async () => {
  const { accountJwt, seeds } = await makeAccount();
  mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 60 } } });
});

const makeApp = (more: Partial<AppOptions> = {}) =>
  createApp({
    mint,
    authenticate: () => ({ issuer: "test", subject: "alice", claims: {} }),
    grant: () => ({ role: "browser", user: parseSubjectToken("alice") }),
    servers: { websocket: [], tcp: [] },
    allowedOrigins: [PAGE],
    ...more,
  });

const failing = (error: Error, more: Partial<AppOptions> = {}) =>
  makeApp({
    authenticate: () => {
      throw error;
    },
    ...more,
  });

const ask = (app: Hono, headers: Record<string, string> = {}) =>
  Promise.resolve(
    app.request("/creds", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: "{}",
    }),
  );

const preflight = (app: Hono, origin: string, headers: Record<string, string> = {}) =>
  Promise.resolve(
    app.request("/creds", {
      method: "OPTIONS",
      headers: { Origin: origin, "Access-Control-Request-Method": "POST", ...headers },
    }),
  );

const corsHeaders = ({ headers }: Response) =>
  [...headers.keys()].filter((name) => name.startsWith("access-control"));

describe("a page of an allowed origin", () => {
  test("can read each refusal, what it says, and the headers that go with it", async () => {
    const refusals = [
      [401, new UnauthorizedError("no")],
      [429, new RateLimitedError("too many", 7)],
      [503, new IssuerUnavailableError("away")],
      [500, new Error("a mistake")],
    ] as const;
    for (const [status, error] of refusals) {
      const answer = await ask(failing(error, { onError: () => {} }), { Origin: PAGE });
      expect(answer.status).toBe(status);
      expect(answer.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
      expect(answer.headers.get("Access-Control-Expose-Headers")?.split(",").sort()).toEqual([
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-Id",
      ]);
    }
  });

  test("may send cookies only where the application says so", async () => {
    for (const [options, allowed] of [
      [{}, null],
      [{ allowCredentials: false }, null],
      [{ allowCredentials: true }, "true"],
    ] as const) {
      const app = makeApp(options);
      for (const answer of [await ask(app, { Origin: PAGE }), await preflight(app, PAGE)]) {
        expect(answer.headers.get("Access-Control-Allow-Credentials")).toBe(allowed);
        expect(answer.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
      }
      expect(corsHeaders(await ask(app, { Origin: "https://evil.example.com" }))).toEqual([]);
    }
  });

  test("gets no special leave to reach a private network", async () => {
    const answer = await preflight(makeApp(), PAGE, { "Access-Control-Request-Private-Network": "true" });
    expect(answer.status).toBe(204);
    expect(corsHeaders(answer)).not.toContain("access-control-allow-private-network");
  });
});

describe("a page of another origin", () => {
  test("is told in the preflight's answer, without a header that lets it read it", async () => {
    for (const origin of ["https://evil.example.com", "null", `${PAGE}.evil.com`, PAGE.toUpperCase()]) {
      const answer = await preflight(makeApp(), origin);
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({ code: "origin_not_allowed", status: 403 });
      expect(corsHeaders(answer)).toEqual([]);
      expect(answer.headers.get("Vary")).toContain("Origin");
    }
  });

  test("is told with no more of its origin than its start", async () => {
    const answer = await preflight(makeApp(), `https://${"x".repeat(5000)}`);
    const { detail } = (await answer.json()) as { detail: string };
    expect(detail.length).toBeLessThan(200);
  });

  test("is another application's business on that application's paths", async () => {
    const parent = new Application();
    parent.route("/nats", makeApp());
    parent.options("/nats/own", (c) => c.text("own", 200));
    const answer = await parent.request("/nats/own", {
      method: "OPTIONS",
      headers: { Origin: "https://other.example.com", "Access-Control-Request-Method": "POST" },
    });
    expect(await answer.text()).toBe("own");
  });
});

describe("WWW-Authenticate", () => {
  const challenge = async (error: UnauthorizedError, more: Partial<AppOptions> = {}) => {
    const answer = await ask(failing(error, more));
    expect(answer.status).toBe(401);
    return answer.headers.get("WWW-Authenticate");
  };

  test("asks for a token where there was none", async () => {
    expect(await challenge(new UnauthorizedError("the request has no proof of identity"))).toBe("Bearer");
    const nobody = await ask(makeApp({ authenticate: () => null }));
    expect(nobody.headers.get("WWW-Authenticate")).toBe("Bearer");
  });

  test("says what is wrong with one that was there", async () => {
    expect(await challenge(new UnauthorizedError("the token has expired", "expired"))).toBe(
      'Bearer error="invalid_token", error_description="the token has expired"',
    );
  });

  test("stays one header with one quoted text, whatever the message says", async () => {
    const message = 'a "quote", a \\, a\r\nX-Evil: 1, a \u0000 and a \u2603';
    expect(await challenge(new UnauthorizedError(message, "malformed"))).toBe(
      `Bearer error="invalid_token", error_description="a 'quote', a ?, a??X-Evil: 1, a ? and a ?"`,
    );
  });

  test("is not there for an application with another login, nor with other errors", async () => {
    const error = new UnauthorizedError("no session", "expired");
    expect(await challenge(error, { bearerChallenge: false })).toBeNull();
    const other = await ask(failing(new RateLimitedError("too many", 1)));
    expect(other.headers.get("WWW-Authenticate")).toBeNull();
  });
});

describe("a request's name", () => {
  const nameOf = async (given: string | undefined, more: Partial<AppOptions> = {}) => {
    const reported: string[] = [];
    const app = makeApp({ ...more, onDecision: ({ requestId }) => reported.push(requestId) });
    const answer = await ask(app, given === undefined ? {} : { "X-Request-Id": given });
    const name = answer.headers.get("X-Request-Id");
    expect(reported).toEqual([name ?? ""]);
    return name;
  };
  const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
  const viaProxy = { peerAddress: () => "10.0.0.1", trustedProxies: ["10.0.0.1"] };

  test("is made here, whatever the caller says", async () => {
    for (const given of [undefined, "mine", "a".repeat(64)]) {
      expect(await nameOf(given)).toMatch(UUID);
      expect(await nameOf(given, { ...viaProxy, peerAddress: () => "10.0.0.2" })).toMatch(UUID);
    }
  });

  test("is taken from a trusted proxy, if it is one", async () => {
    expect(await nameOf("mine", viaProxy)).toBe("mine");
    expect(await nameOf("a".repeat(64), viaProxy)).toBe("a".repeat(64));
    for (const given of [undefined, "", "a".repeat(65), 'x" level=error', "a b"]) {
      expect(await nameOf(given, viaProxy)).toMatch(UUID);
    }
  });

  test("is the one that the application around it has given", async () => {
    const parent = new Application();
    parent.use(honoRequestId({ generator: () => "parents-own" }));
    parent.route("/", makeApp());
    expect((await ask(parent)).headers.get("X-Request-Id")).toBe("parents-own");
  });
});

describe("every answer", () => {
  test("keeps browsers from storing, guessing, framing and embedding it", async () => {
    const app = makeApp();
    const answers = [
      await ask(app),
      await ask(failing(new UnauthorizedError("no"))),
      await app.request("/healthz"),
      await app.request("/nothing"),
      await app.request("/creds"),
      await preflight(app, PAGE),
      await preflight(app, "https://evil.example.com"),
      await ask(app, { Origin: PAGE }),
    ];
    for (const { headers } of answers) {
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.get("Referrer-Policy")).toBe("no-referrer");
      expect(headers.get("Cross-Origin-Resource-Policy")).toBe("same-origin");
      expect(headers.get("Content-Security-Policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("Strict-Transport-Security")).toBeNull();
    }
  });

  test("leaves a page its own policy", async () => {
    const app = makeApp();
    app.get("/page", (c) => c.html("<p>", 200, { "Content-Security-Policy": "default-src 'self'" }));
    app.get("/other", (c) => c.html("<p>"));
    const policyOf = async (path: string) => (await app.request(path)).headers.get("Content-Security-Policy");
    expect(await policyOf("/page")).toBe("default-src 'self'");
    expect(await policyOf("/other")).toBeNull();
  });
});

test("a service that is about to stop is no longer ready, and goes on minting", async () => {
  const stop = new AbortController();
  const app = makeApp({ stopping: stop.signal });
  expect((await app.request("/readyz")).status).toBe(200);
  stop.abort();
  const answer = await app.request("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ code: "overloaded" });
  expect((await app.request("/healthz")).status).toBe(200);
  expect((await ask(app)).status).toBe(200);
});
