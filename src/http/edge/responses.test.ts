import { describe, expect, test } from "bun:test";
import { type Context, Hono } from "hono";
import type { HandledRequest } from "../../core/decision.ts";
import { KeysUnavailableError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

function makeApp() {
  const seen: HandledRequest[] = [];
  const app = createApp({
    mint: () => {
      throw new KeysUnavailableError();
    },
    authenticate: () => null,
    grant: () => {
      throw new Error("no request gets this far");
    },
    servers: { websocket: [], tcp: [] },
    onResponse: (response) => seen.push(response),
  });
  return { app, reported: () => seen.map(({ route, method, status }) => `${method} ${route} ${status}`) };
}

test("each response is reported, with the path's pattern and its status", async () => {
  const { app, reported } = makeApp();
  const json = { "Content-Type": "application/json" };
  await app.request("/healthz");
  await app.request("/healthz", { method: "HEAD" });
  await app.request("/readyz");
  await app.request("/creds", { method: "POST", headers: json, body: "{}" });
  await app.request("/creds", { method: "POST", headers: json, body: "{" });
  await app.request("/creds", { method: "DELETE" });
  expect(reported()).toEqual([
    "GET /healthz 200",
    "HEAD /healthz 200",
    "GET /readyz 503",
    "POST /creds 401",
    "POST /creds 400",
    "DELETE /creds 405",
  ]);
});

test("unknown paths are all reported as one", async () => {
  const { app, reported } = makeApp();
  for (const path of ["/", "/admin", "/creds/x", `/${crypto.randomUUID()}`]) await app.request(path);
  expect([...new Set(reported())]).toEqual(["GET other 404"]);
});

test("a mounted application's paths have their prefix", async () => {
  const { app, reported } = makeApp();
  await new Hono().route("/nats", app).request("/nats/healthz");
  expect(reported()).toEqual(["GET /nats/healthz 200"]);
});

describe("a mounted application", () => {
  /** The mint below `/nats`, behind a handler of the application. */
  function mounted(before: (c: Context) => unknown) {
    const outer = new Hono();
    outer.use(async (c, next) => {
      await before(c);
      await next();
    });
    const { app } = makeApp();
    outer.route("/nats", app);
    return (path: string, init?: RequestInit) => outer.request(path, init);
  }
  const json = { method: "POST", headers: { "Content-Type": "application/json" } };

  test("keeps the headers that were set before, cookies too, in every response", async () => {
    const request = mounted((c) => {
      c.header("X-Outer", "1");
      c.header("Cache-Control", "public");
      c.header("Set-Cookie", "a=1", { append: true });
      c.header("Set-Cookie", "b=2", { append: true });
    });
    for (const [path, init, status] of [
      ["/nats/creds", { ...json, body: "{}" }, 401],
      ["/nats/creds", { ...json, body: "{" }, 400],
      ["/nats/readyz", undefined, 503],
      ["/nats/healthz", undefined, 200],
      ["/nats/creds", undefined, 405],
    ] as const) {
      const { headers, status: received } = await request(path, init);
      expect([path, received]).toEqual([path, status]);
      expect(headers.get("X-Outer")).toBe("1");
      expect(headers.getSetCookie()).toEqual(["a=1", "b=2"]);
      expect(headers.get("Cache-Control")).toBe("no-store");
    }
  });

  test("reads a body that was read before with Hono", async () => {
    for (const read of [(c: Context) => c.req.json(), (c: Context) => c.req.text()]) {
      for (const headers of [json.headers, { ...json.headers, "Content-Length": "2" }]) {
        const response = await mounted(read)("/nats/creds", { ...json, headers, body: "{}" });
        expect(await response.json()).toMatchObject({ code: "unauthorized" });
      }
    }
  });
});
