import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeysUnavailableError } from "../core/errors.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { createApp } from "../http/app.ts";
import { devAuthentication } from "../http/dev.ts";
import { demoRoutes } from "./demo-page.ts";

const dir = mkdtempSync(join(tmpdir(), "demo-"));
const user = parseSubjectToken("page");

beforeAll(() => {
  for (const name of ["index.html", "main.js", "style.css"])
    writeFileSync(join(dir, name), `this is ${name}`);
});
afterAll(() => rmSync(dir, { recursive: true }));

function makeApp({ demo = true, websocket = ["ws://localhost:9222"] } = {}) {
  const { authenticate, grant } = devAuthentication({ defaultRole: "browser" });
  return createApp({
    mint: () => {
      throw new KeysUnavailableError();
    },
    authenticate,
    grant,
    servers: { websocket, tcp: [] },
    ...(demo && {
      routes: demoRoutes({ dir, websocket, check: (request) => authenticate(request, { user }) }),
    }),
  });
}

const get = (path: string, { app = makeApp(), method = "GET", host = "localhost:8080" } = {}) =>
  Promise.resolve(app.request(path, { method, headers: { Host: host } }));

const codeOf = async (response: Response) => ((await response.json()) as { code: string }).code;

describe("the demo page", () => {
  test.each([
    ["/", "index.html", "text/html; charset=utf-8"],
    ["/index.html", "index.html", "text/html; charset=utf-8"],
    ["/demo/main.js", "main.js", "text/javascript; charset=utf-8"],
    ["/demo/style.css", "style.css", "text/css; charset=utf-8"],
  ])("is served at %s", async (path, name, type) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(`this is ${name}`);
    expect(response.headers.get("Content-Type")).toBe(type);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(response.headers.get("Referrer-Policy")).toBe("no-referrer");
  });

  test("may load and connect to what it needs, and nothing else", async () => {
    const websocket = ["ws://localhost:9222", "wss://nats.example.com/nats", "wss://nats.example.com/other"];
    const response = await get("/", { app: makeApp({ websocket }) });
    expect(response.headers.get("Content-Security-Policy")?.split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      "connect-src 'self' ws://localhost:9222 wss://nats.example.com",
      "base-uri 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
  });

  test("may connect to a server at an IPv6 address, which a policy can't name", async () => {
    const response = await get("/", { app: makeApp({ websocket: ["ws://[::1]:9222"] }) });
    expect(response.headers.get("Content-Security-Policy")).toContain("connect-src 'self' ws:;");
  });

  test("responds to HEAD, and to no other method", async () => {
    expect((await get("/", { method: "HEAD" })).status).toBe(200);
    for (const path of ["/", "/index.html", "/demo/main.js", "/demo/style.css"]) {
      const response = await get(path, { method: "POST" });
      expect(response.status).toBe(405);
      expect(response.headers.get("Allow")).toBe("GET, HEAD");
      expect(await codeOf(response)).toBe("method_not_allowed");
    }
  });

  test("is refused under a host name under which credentials are refused", async () => {
    for (const path of ["/", "/demo/main.js", "/demo/style.css"]) {
      const response = await get(path, { host: "rebound.example.com" });
      expect(response.status).toBe(403);
      expect(await codeOf(response)).toBe("host_not_allowed");
    }
  });

  test("does not change other paths", async () => {
    for (const path of [
      "/demo",
      "/demo/",
      "/demo/index.html",
      "/demo/../server.ts",
      "/index.htm",
      "/demo/main.ts",
    ]) {
      const response = await get(path);
      expect(response.status).toBe(404);
      expect(await codeOf(response)).toBe("not_found");
    }
    expect((await get("/healthz")).status).toBe(200);
  });

  test("is only served when its routes are added", async () => {
    const app = makeApp({ demo: false });
    for (const path of ["/", "/index.html", "/demo/main.js", "/demo/style.css"]) {
      expect((await get(path, { app })).status).toBe(404);
    }
  });
});
