import { expect, test } from "bun:test";
import { Hono } from "hono";
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
