import { beforeAll, describe, expect, test } from "bun:test";
import { createUser, decode, parseCreds } from "@nats-io/jwt";
import { Hono } from "hono";
import type { Decision, HandledRequest } from "../core/decision.ts";
import { KeysUnavailableError } from "../core/errors.ts";
import { HOSTILE_NAMES } from "../core/hostile.fixture.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { BROWSER, makeAccount } from "../core/roles/account.fixture.ts";
import { type AppOptions, createApp } from "./app.ts";
import type { Authenticator } from "./creds/proof.ts";
import type { CredsResponse } from "./creds/response.ts";
import { devAuthentication } from "./dev.ts";

const PAGE = "https://app.example.com";
const servers = { websocket: ["ws://localhost:9222"], tcp: ["nats://localhost:4222"] };

let mint: Mint;
let publicKey: string;
let app: Hono;

beforeAll(async () => {
  const { accountJwt, seeds } = await makeAccount({
    browser: BROWSER,
    service: { pub: { allow: ["svc"] }, sub: { allow: ["svc"] } },
    room: { pub: { allow: ["room.{{tag(room)}}"] }, sub: { allow: [">"], deny: ["secret.{{tag(room)}}"] } },
  });
  const roles = Object.fromEntries(Object.entries(seeds).map(([role, seed]) => [role, { seed, ttl: 900 }]));
  mint = createMint({ accountJwt, roles });
  publicKey = createUser().getPublicKey();
  app = makeApp();
});

const makeApp = (more: Partial<AppOptions> = {}) =>
  createApp({
    mint,
    ...devAuthentication({ defaultRole: "browser" }),
    servers,
    allowedOrigins: [PAGE],
    ...more,
  });

const bodyOf = async (response: Response | Promise<Response>) =>
  (await (await response).json()) as CredsResponse;

interface PostOptions {
  headers?: Record<string, string | undefined>;
  to?: Hono;
  path?: string;
}

/** POSTs JSON, or a string as it is. */
function post(
  body: unknown,
  { headers = {}, to = app, path = "/creds" }: PostOptions = {},
): Promise<Response> {
  const all = { Host: "localhost:8080", "Content-Type": "application/json", ...headers };
  const set = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const raw = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return Promise.resolve(to.request(path, { method: "POST", headers: set, body: raw as string }));
}

async function expectProblem(
  received: Response | Promise<Response>,
  status: number,
  code: string,
): Promise<string> {
  const response = await received;
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toEqual({
    type: `urn:nats-mint:problem:${code}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
  });
  expect(response.status).toBe(status);
  return problem.detail as string;
}

describe("POST /creds", () => {
  test("issues a credential for the client's own key, without a seed", async () => {
    const response = await post({ user: "alice", public_key: publicKey });
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("application/json");
    const { jwt, server_time, issued_at, expires_at, ...rest } = await bodyOf(response);
    expect(decode(jwt).sub).toBe(publicKey);
    expect(expires_at - issued_at).toBe(900);
    expect(Math.abs(server_time - Date.now())).toBeLessThan(5000);
    expect(rest as object).toEqual({
      user: "alice",
      role: "browser",
      account: mint.account,
      servers: ["ws://localhost:9222"],
      inbox_prefix: "_INBOX_alice",
      permissions: { pub: { allow: ["users.alice.>"] }, sub: { allow: ["users.alice.>", "_INBOX_alice.>"] } },
    });
  });

  test("makes a key pair when the request has no key", async () => {
    const { seed } = await bodyOf(post({ user: "alice" }));
    expect(seed).toMatch(/^SU[A-Z2-7]{56}$/);
  });

  test("grants what is requested: role, tags, a shorter lifetime, servers of either kind", async () => {
    const body = await bodyOf(post({ user: "bob", role: "service", tags: { room: "Lobby" }, ttl: 60 }));
    expect(body.role).toBe("service");
    expect(body.tags).toEqual({ room: "Lobby" });
    expect(body.expires_at - body.issued_at).toBe(60);
    expect(body.servers).toEqual(["nats://localhost:4222", "ws://localhost:9222"]);
  });

  test("accepts application/json in any spelling, with parameters", async () => {
    for (const type of [
      "application/json; charset=utf-8",
      "Application/JSON",
      "application/json ;charset=UTF-8",
    ]) {
      expect((await post({ user: "alice" }, { headers: { "Content-Type": type } })).status).toBe(200);
    }
  });

  test("has a response that is not stored, and varies by request headers", async () => {
    const response = await post({ user: "alice" });
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(response.headers.get("Vary")).toBe("Accept, Origin");
  });
});

describe("Accept", () => {
  const accept = (header: string | undefined, body: object = { user: "alice" }) =>
    post(body, { headers: { Accept: header } });

  test("with a creds file's type results in a creds file", async () => {
    for (const type of [
      "application/x-nats-creds",
      "text/plain",
      "text/*",
      "application/json;q=0.1, text/plain",
    ]) {
      const response = await accept(type);
      expect(response.headers.get("Content-Type")).toBe(type.includes("text") ? "text/plain" : type);
      const text = await response.text();
      const { uc } = await parseCreds(new TextEncoder().encode(text));
      expect(uc.name).toBe("alice");
      expect(text.endsWith("------END USER NKEY SEED------\n")).toBe(true);
    }
  });

  test("with anything else results in JSON", async () => {
    const headers = [
      undefined,
      "*/*",
      "application/json, text/plain, */*",
      "application/*",
      "text/html, */*;q=0.8",
      "text/plain;q=0",
      "text/plain;q=0.5, application/json",
      "application/x-nats-creds;q=0.2, application/json;q=0.9",
      "image/png",
      ";;;,,",
    ];
    for (const header of headers) {
      expect((await accept(header)).headers.get("Content-Type")).toBe("application/json");
    }
  });

  test("with a creds file's type is refused for a key whose seed only the client has", async () => {
    const detail = await expectProblem(
      accept("text/plain", { user: "alice", public_key: publicKey }),
      406,
      "not_acceptable",
    );
    expect(detail).toContain("public_key");
  });
});

describe("bad input", () => {
  test("that is not JSON is 400", async () => {
    const bodies = [
      "",
      "{",
      "user=alice",
      '{"user":"alice"} x',
      "{'user':'alice'}",
      "NaN",
      new Uint8Array([0x22, 0xff, 0x22]),
    ];
    for (const body of bodies) await expectProblem(post(body), 400, "invalid_json");
  });

  test("of the wrong shape is 400, and the field is named", async () => {
    const shapes: [unknown, string][] = [
      [[], "the body"],
      ["null", "the body"],
      ['"alice"', "the body"],
      [{}, "user"],
      [{ user: 1 }, "user"],
      [{ user: null }, "user"],
      [{ user: ["alice"] }, "user"],
      [{ user: { toString: "alice" } }, "user"],
      [{ user: "alice", public_key: 1 }, "public_key"],
      [{ user: "alice", role: ["browser"] }, "role"],
      [{ user: "alice", tags: [] }, "tags"],
      [{ user: "alice", tags: "room" }, "tags"],
      [{ user: "alice", tags: { room: ["a", "b"] } }, "tags.room"],
      [{ user: "alice", tags: { "a b": 1 } }, 'tags."a b"'],
      [{ user: "alice", ttl: "60" }, "ttl"],
      ['{"user": "alice", "ttl": 1e999}', "ttl"],
      [{ user: "alice", admin: true }, '"admin"'],
      ['{"user": "alice", "__proto__": {"role": "service"}}', '"__proto__"'],
      [{ user: "alice", constructor: {} }, '"constructor"'],
      [{ user: "alice", Role: "service" }, '"Role"'],
    ];
    for (const [body, field] of shapes) {
      expect(await expectProblem(post(body), 400, "invalid_request")).toContain(field);
    }
  });

  test("has only the start of an unknown field's name in its error, in plain characters", async () => {
    const detail = await expectProblem(
      post({ [`\n\u202e<script>${"x".repeat(4000)}`]: 1 }),
      400,
      "invalid_request",
    );
    expect(detail.length).toBeLessThan(120);
    expect(detail).not.toMatch(/[\n\u202e]/);
  });

  test("over 8 KiB is 413, and the connection is closed", async () => {
    const body = JSON.stringify({ user: "a".repeat(9000) });
    const response = await post(body, { headers: { "Content-Length": `${body.length}` } });
    expect(response.headers.get("Connection")).toBe("close");
    await expectProblem(response, 413, "body_too_large");
    await expectProblem(post(body), 413, "body_too_large");
    await expectProblem(post(" ".repeat(8192)), 400, "invalid_json");
  });

  test("of another type is 415", async () => {
    const types = [
      undefined,
      "",
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonp",
      "text/json, application/json",
    ];
    for (const type of types) {
      await expectProblem(
        post({ user: "alice" }, { headers: { "Content-Type": type } }),
        415,
        "unsupported_media_type",
      );
    }
    await expectProblem(
      post({ user: "alice" }, { headers: { "Content-Encoding": "gzip" } }),
      415,
      "unsupported_media_type",
    );
  });

  test("for a user is 422", async () => {
    for (const user of HOSTILE_NAMES) await expectProblem(post({ user }), 422, "invalid_user");
  });

  test("for a public key is 422, and the key is not repeated", async () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    for (const key of [
      "",
      "U",
      seed,
      publicKey.toLowerCase(),
      `${publicKey}\n`,
      mint.account,
      `${publicKey.slice(0, -1)}=`,
    ]) {
      const detail = await expectProblem(post({ user: "alice", public_key: key }), 422, "invalid_public_key");
      if (key.length > 1) expect(detail).not.toContain(key);
    }
  });

  test("for tags is 422", async () => {
    for (const value of HOSTILE_NAMES)
      await expectProblem(post({ user: "alice", tags: { room: value } }), 422, "invalid_tag");
    for (const name of ["", "Room", "a.b", "*"]) {
      await expectProblem(post({ user: "alice", tags: { [name]: "x" } }), 422, "invalid_tag");
    }
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, "x"]));
    await expectProblem(post({ user: "alice", tags: many }), 422, "invalid_tag");
    await expectProblem(post('{"user":"alice","tags":{"__proto__":"*"}}'), 422, "invalid_tag");
  });

  test("for a role that denies by a tag is 422 without that tag", async () => {
    expect(await expectProblem(post({ user: "alice", role: "room" }), 422, "invalid_tag")).toContain(
      '"room"',
    );
  });

  test("for a lifetime is 422", async () => {
    for (const ttl of [0, -1, 9, 10.5, 1e300])
      await expectProblem(post({ user: "alice", ttl }), 422, "invalid_ttl");
  });

  test("under a host name that dev doesn't accept is 403", async () => {
    await expectProblem(post({ user: "alice" }, { headers: { Host: "evil.com" } }), 403, "host_not_allowed");
  });

  test("for a role that doesn't exist is 403, even with the name of an inherited property", async () => {
    for (const role of ["admin", "", "__proto__", "constructor", "toString", "valueOf", "browser\n"]) {
      await expectProblem(post({ user: "alice", role }), 403, "role_not_allowed");
    }
  });

  test("to another path is 404, by another method 405 with Allow", async () => {
    for (const path of ["/", "/creds/", "/cred", "/creds/x", "/CREDS", "/%63reds/.."]) {
      await expectProblem(post({ user: "alice" }, { path }), 404, "not_found");
    }
    for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const response = await app.request("/creds", { method });
      expect(response.headers.get("Allow")).toBe("POST");
      await expectProblem(response, 405, "method_not_allowed");
    }
    const response = await app.request("/healthz", { method: "POST" });
    expect(response.headers.get("Allow")).toBe("GET, HEAD");
    await expectProblem(response, 405, "method_not_allowed");
  });
});

describe("without keys", () => {
  const withoutKeys = () =>
    makeApp({
      mint: () => {
        throw new KeysUnavailableError();
      },
    });

  test("the response is 503 with Retry-After", async () => {
    const response = await post({ user: "alice" }, { to: withoutKeys() });
    expect(response.headers.get("Retry-After")).toBe("1");
    await expectProblem(response, 503, "keys_unavailable");
  });

  test("the service is alive but not ready", async () => {
    const to = withoutKeys();
    expect((await to.request("/healthz")).status).toBe(200);
    await expectProblem(to.request("/readyz"), 503, "keys_unavailable");
    expect((await app.request("/readyz")).status).toBe(200);
  });

  test("the response to HEAD is like that to GET, without a body", async () => {
    const response = await app.request("/readyz", { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
    expect((await withoutKeys().request("/readyz", { method: "HEAD" })).status).toBe(503);
  });
});

describe("an application's own authenticator", () => {
  const withLogin = (authenticate: Authenticator) => makeApp({ authenticate });

  test("that returns no identity results in 401", async () => {
    await expectProblem(post({}, { to: withLogin(() => null) }), 401, "unauthorized");
    await expectProblem(post({}, { to: withLogin(async () => null) }), 401, "unauthorized");
  });

  test("limits the credential's lifetime by its proof, without a limit in the policy", async () => {
    const expiresAt = Date.now() / 1000 + 60;
    const to = withLogin(() => ({ issuer: "x", subject: "alice", claims: {}, expiresAt }));
    const { expires_at } = await bodyOf(post({}, { to }));
    expect(expires_at).toBeLessThanOrEqual(expiresAt);
    const ended = withLogin(() => ({ issuer: "x", subject: "alice", claims: {}, expiresAt: expiresAt - 55 }));
    await expectProblem(post({}, { to: ended }), 401, "token_expiring");
  });

  test("that fails is reported once and results in a 500 without the cause", async () => {
    for (const failure of [
      new TypeError("secret detail"),
      "secret detail",
      undefined,
      { secret: "detail" },
    ]) {
      const reported: unknown[] = [];
      const decided: Decision[] = [];
      const handled: HandledRequest[] = [];
      const to = makeApp({
        authenticate: () => {
          throw failure;
        },
        onError: (error) => reported.push(error),
        onDecision: (decision) => decided.push(decision),
        onResponse: (response) => handled.push(response),
      });
      for (const app of [to, new Hono().route("/", to)]) {
        const response = post({}, { to: app });
        expect(await expectProblem(response, 500, "internal_error")).not.toContain("secret");
        expect(reported.splice(0)).toHaveLength(1);
        const decisions = decided.splice(0);
        expect(decisions).toHaveLength(1);
        expect(decisions[0]).toMatchObject({ outcome: "refused", code: "internal_error", status: 500 });
        expect(handled.splice(0)).toMatchObject([{ route: "/creds", method: "POST", status: 500 }]);
      }
    }
  });

  test("receives the request, its headers and what is requested", async () => {
    const seen: unknown[] = [];
    const to = withLogin((request, requested) => {
      seen.push(request.headers.get("cookie"), requested);
      return null;
    });
    await post({ role: "service", ttl: 60 }, { to, headers: { Cookie: "session=1" } });
    expect(seen).toStrictEqual(["session=1", { role: "service", ttl: 60 }]);
  });
});

describe("a report that fails", () => {
  const fail = () => {
    throw "the disk is full";
  };

  test("on a decision results in no credential, and a response with all headers", async () => {
    const reported: unknown[] = [];
    const to = makeApp({ onDecision: fail, onError: (error) => reported.push(error) });
    const response = await post({ user: "alice" }, { to, headers: { Origin: PAGE } });
    for (const name of ["X-Request-Id", "Access-Control-Allow-Origin", "Content-Security-Policy"]) {
      expect([name, response.headers.has(name)]).toEqual([name, true]);
    }
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    await expectProblem(response, 500, "internal_error");
    expect(reported).toHaveLength(1);
  });

  test("on a response does not change it", async () => {
    const reported: unknown[] = [];
    const to = makeApp({ onResponse: fail, onError: (error) => reported.push(error) });
    expect((await bodyOf(post({ user: "alice" }, { to }))).user).toBe("alice");
    expect(reported).toEqual(["the disk is full"]);
  });
});

describe("CORS", () => {
  const preflight = (origin: string) =>
    app.request("/creds", {
      method: "OPTIONS",
      headers: {
        Origin: origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
      },
    });
  const corsHeaders = (response: Response) =>
    [...response.headers.keys()].filter((name) => name.startsWith("access-control"));

  test("lets an allowed origin send requests and read responses, errors included", async () => {
    const response = await preflight(PAGE);
    expect(response.status).toBe(204);
    expect(response.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
    expect(response.headers.get("Access-Control-Allow-Methods")).toBe("POST");
    expect(response.headers.get("Access-Control-Allow-Headers")).toBe(
      "Content-Type,Authorization,traceparent,tracestate,baggage,sentry-trace",
    );
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    for (const body of [{ user: "alice" }, { user: "*" }]) {
      const response = await post(body, { headers: { Origin: PAGE } });
      expect(response.headers.get("Access-Control-Allow-Origin")).toBe(PAGE);
      expect(response.headers.get("Vary")).toContain("Origin");
    }
  });

  test("lets pages send the headers that the application names, and no others", async () => {
    const to = makeApp({ allowedHeaders: ["x-datadog-trace-id"] });
    const headers = { Origin: PAGE, "Access-Control-Request-Method": "POST" };
    const response = await to.request("/creds", { method: "OPTIONS", headers });
    expect(response.headers.get("Access-Control-Allow-Headers")?.split(",")).toEqual([
      "Content-Type",
      "Authorization",
      "traceparent",
      "tracestate",
      "baggage",
      "sentry-trace",
      "x-datadog-trace-id",
    ]);
  });

  test("has no headers for any other origin", async () => {
    const others = [
      "https://evil.com",
      "http://app.example.com",
      `${PAGE}:8443`,
      `${PAGE}.evil.com`,
      "null",
      "",
      PAGE.toUpperCase(),
    ];
    for (const origin of others) {
      const response = await preflight(origin);
      expect(corsHeaders(response)).toEqual([]);
      expect(response.headers.get("Vary")).toBe("Origin");
      expect(corsHeaders(await post({ user: "alice" }, { headers: { Origin: origin } }))).toEqual([]);
    }
  });
});

describe("mounted in another application", () => {
  const makeParent = () => {
    const parent = new Hono();
    parent.notFound((c) => c.text("parent's 404", 404));
    parent.onError((_, c) => c.text("parent's 500", 500));
    parent.route("/nats", makeApp());
    parent.get("/", (c) => c.text("home"));
    parent.get("/fails", () => {
      throw new Error("x");
    });
    return parent;
  };

  test("it responds as it does alone", async () => {
    const to = makeParent();
    expect((await post({ user: "alice" }, { to, path: "/nats/creds" })).status).toBe(200);
    expect((await to.request("/nats/healthz")).status).toBe(200);
    await expectProblem(post({ user: "*" }, { to, path: "/nats/creds" }), 422, "invalid_user");
    await expectProblem(post("x".repeat(9000), { to, path: "/nats/creds" }), 413, "body_too_large");
    const response = await to.request("/nats/creds");
    expect(response.headers.get("Allow")).toBe("POST");
    await expectProblem(response, 405, "method_not_allowed");
  });

  test("it keeps the headers that the other has set, and passes the request's id to it", async () => {
    const parent = new Hono<{ Variables: { requestId: string } }>();
    const ids: string[] = [];
    parent.use(async (c, next) => {
      c.header("Set-Cookie", "session=renewed");
      await next();
      ids.push(c.var.requestId);
      c.res.headers.append("X-After", "yes");
    });
    parent.route("/nats", makeApp());
    for (const body of [{ user: "alice" }, { user: "*" }, { user: "bob" }]) {
      const { headers } = await post(body, { to: parent as unknown as Hono, path: "/nats/creds" });
      expect(headers.getSetCookie()).toEqual(["session=renewed"]);
      expect(headers.get("X-After")).toBe("yes");
      expect(headers.get("Cache-Control")).toBe("no-store");
      expect(headers.get("X-Request-Id")).toBe(ids.at(-1) ?? "");
      expect(headers.get("Vary")?.split(", ").sort()).toEqual(["Accept", "Origin"]);
    }
  });

  test("it does not affect the other's paths and errors", async () => {
    const to = makeParent();
    const home = await to.request("/");
    expect(await home.text()).toBe("home");
    expect(home.headers.get("Cache-Control")).toBeNull();
    expect(await (await to.request("/nats/nothing")).text()).toBe("parent's 404");
    expect(await (await to.request("/nothing")).text()).toBe("parent's 404");
    expect(await (await to.request("/fails")).text()).toBe("parent's 500");
  });
});
