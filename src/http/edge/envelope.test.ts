import { beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { Hono as Application } from "hono";
import { requestId as honoRequestId } from "hono/request-id";
import { IssuerUnavailableError, RateLimitedError, UnauthorizedError } from "../../core/errors.ts";
import { createMint, type Mint } from "../../core/mint.ts";
import { makeAccount } from "../../core/roles/account.fixture.ts";
import { parseSubjectToken } from "../../core/subject-token.ts";
import { type AppOptions, createApp } from "../app.ts";

/** The headers of every response: CORS, challenges, request ids and those that restrict browsers. */

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

const post = (app: Hono, headers: Record<string, string> = {}) =>
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
  test("can read each refusal and its headers", async () => {
    const refusals = [
      [401, new UnauthorizedError("no")],
      [429, new RateLimitedError("too many", 7)],
      [503, new IssuerUnavailableError("away")],
      [500, new Error("a mistake")],
    ] as const;
    for (const [status, error] of refusals) {
      const response = await post(failing(error, { onError: () => {} }), { Origin: PAGE });
      expect(response.status).toBe(status);
      expect(response.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
      expect(response.headers.get("Access-Control-Expose-Headers")?.split(",").sort()).toEqual([
        "RateLimit",
        "RateLimit-Policy",
        "Retry-After",
        "WWW-Authenticate",
        "X-Request-Id",
      ]);
    }
  });

  test("may send cookies only if the application allows it", async () => {
    for (const [options, allowed] of [
      [{}, null],
      [{ allowCredentials: false }, null],
      [{ allowCredentials: true }, "true"],
    ] as const) {
      const app = makeApp(options);
      for (const response of [await post(app, { Origin: PAGE }), await preflight(app, PAGE)]) {
        expect(response.headers.get("Access-Control-Allow-Credentials")).toBe(allowed);
        expect(response.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
      }
      expect(corsHeaders(await post(app, { Origin: "https://evil.example.com" }))).toEqual([]);
    }
  });

  test("gets no permission for a private network", async () => {
    const response = await preflight(makeApp(), PAGE, { "Access-Control-Request-Private-Network": "true" });
    expect(response.status).toBe(204);
    expect(corsHeaders(response)).not.toContain("access-control-allow-private-network");
  });
});

describe("a page of another origin", () => {
  test("is refused in the response to the preflight, without CORS headers", async () => {
    for (const origin of ["https://evil.example.com", "null", `${PAGE}.evil.com`, PAGE.toUpperCase()]) {
      const response = await preflight(makeApp(), origin);
      expect(response.status).toBe(403);
      expect(await response.json()).toMatchObject({ code: "origin_not_allowed", status: 403 });
      expect(corsHeaders(response)).toEqual([]);
      expect(response.headers.get("Vary")).toContain("Origin");
    }
  });

  test("gets an error with only the start of its origin", async () => {
    const response = await preflight(makeApp(), `https://${"x".repeat(5000)}`);
    const { detail } = (await response.json()) as { detail: string };
    expect(detail.length).toBeLessThan(200);
  });

  test("is not refused on paths of the surrounding application", async () => {
    const parent = new Application();
    parent.route("/nats", makeApp());
    parent.options("/nats/own", (c) => c.text("own", 200));
    const response = await parent.request("/nats/own", {
      method: "OPTIONS",
      headers: { Origin: "https://other.example.com", "Access-Control-Request-Method": "POST" },
    });
    expect(await response.text()).toBe("own");
  });
});

describe("WWW-Authenticate", () => {
  const challenge = async (error: UnauthorizedError, more: Partial<AppOptions> = {}) => {
    const response = await post(failing(error, more));
    expect(response.status).toBe(401);
    return response.headers.get("WWW-Authenticate");
  };

  test("requests a token when there was none", async () => {
    expect(await challenge(new UnauthorizedError("the request has no proof of identity"))).toBe("Bearer");
    const unauthenticated = await post(makeApp({ authenticate: () => null }));
    expect(unauthenticated.headers.get("WWW-Authenticate")).toBe("Bearer");
  });

  test("has the error of a token that was refused", async () => {
    expect(await challenge(new UnauthorizedError("the token has expired", "expired"))).toBe(
      'Bearer error="invalid_token", error_description="the token has expired"',
    );
  });

  test("stays one header with one quoted text, whatever the message contains", async () => {
    const message = 'a "quote", a \\, a\r\nX-Evil: 1, a \u0000 and a \u2603';
    expect(await challenge(new UnauthorizedError(message, "malformed"))).toBe(
      `Bearer error="invalid_token", error_description="a 'quote', a ?, a??X-Evil: 1, a ? and a ?"`,
    );
  });

  test("is absent for an application with another login, and with other errors", async () => {
    const error = new UnauthorizedError("no session", "expired");
    expect(await challenge(error, { bearerChallenge: false })).toBeNull();
    const other = await post(failing(new RateLimitedError("too many", 1)));
    expect(other.headers.get("WWW-Authenticate")).toBeNull();
  });
});

describe("a request's id", () => {
  const requestIdOf = async (header: string | undefined, more: Partial<AppOptions> = {}) => {
    const reported: string[] = [];
    const app = makeApp({ ...more, onDecision: ({ requestId }) => reported.push(requestId) });
    const response = await post(app, header === undefined ? {} : { "X-Request-Id": header });
    const id = response.headers.get("X-Request-Id");
    expect(reported).toEqual([id ?? ""]);
    return id;
  };
  const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
  const viaProxy = { peerAddress: () => "10.0.0.1", trustedProxies: ["10.0.0.1"] };

  test("is made by the service, whatever the request's header", async () => {
    for (const header of [undefined, "mine", "a".repeat(64)]) {
      expect(await requestIdOf(header)).toMatch(UUID);
      expect(await requestIdOf(header, { ...viaProxy, peerAddress: () => "10.0.0.2" })).toMatch(UUID);
    }
  });

  test("is taken from a trusted proxy, if it is valid", async () => {
    expect(await requestIdOf("mine", viaProxy)).toBe("mine");
    expect(await requestIdOf("a".repeat(64), viaProxy)).toBe("a".repeat(64));
    for (const header of [undefined, "", "a".repeat(65), 'x" level=error', "a b"]) {
      expect(await requestIdOf(header, viaProxy)).toMatch(UUID);
    }
  });

  test("is the one that the surrounding application has set", async () => {
    const parent = new Application();
    parent.use(honoRequestId({ generator: () => "parents-own" }));
    parent.route("/", makeApp());
    expect((await post(parent)).headers.get("X-Request-Id")).toBe("parents-own");
  });
});

describe("every response", () => {
  test("keeps browsers from storing it, guessing its type, and embedding it", async () => {
    const app = makeApp();
    const responses = [
      await post(app),
      await post(failing(new UnauthorizedError("no"))),
      await app.request("/healthz"),
      await app.request("/nothing"),
      await app.request("/creds"),
      await preflight(app, PAGE),
      await preflight(app, "https://evil.example.com"),
      await post(app, { Origin: PAGE }),
    ];
    for (const { headers } of responses) {
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
      expect(headers.get("Referrer-Policy")).toBe("no-referrer");
      expect(headers.get("Cross-Origin-Resource-Policy")).toBe("same-origin");
      expect(headers.get("Content-Security-Policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("Strict-Transport-Security")).toBeNull();
    }
  });

  test("keeps the own policy of a page", async () => {
    const app = makeApp();
    app.get("/page", (c) => c.html("<p>", 200, { "Content-Security-Policy": "default-src 'self'" }));
    app.get("/other", (c) => c.html("<p>"));
    const policyOf = async (path: string) => (await app.request(path)).headers.get("Content-Security-Policy");
    expect(await policyOf("/page")).toBe("default-src 'self'");
    expect(await policyOf("/other")).toBeNull();
  });
});

test("a service that is about to stop is no longer ready, but still issues credentials", async () => {
  const stop = new AbortController();
  const app = makeApp({ stopping: stop.signal });
  expect((await app.request("/readyz")).status).toBe(200);
  stop.abort();
  const response = await app.request("/readyz");
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ code: "overloaded" });
  expect((await app.request("/healthz")).status).toBe(200);
  expect((await post(app)).status).toBe(200);
});
