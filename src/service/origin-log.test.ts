import { expect, test } from "bun:test";
import { createApp } from "../http/app.ts";
import { originLogger } from "./origin-log.ts";

function record(configured: string[] = ["http://localhost:8080"]) {
  const lines: string[] = [];
  const onOriginRefused = originLogger({ warn: (line: string) => lines.push(line) } as never, configured);
  const app = createApp({
    mint: () => [],
    authenticate: () => null,
    grant: () => ({ role: "browser", user: "x" as never }),
    servers: { websocket: [], tcp: [] },
    allowedOrigins: configured,
    onOriginRefused,
  });
  const preflight = (Origin: string) =>
    app.request("/creds", {
      method: "OPTIONS",
      headers: { Origin, "Access-Control-Request-Method": "POST" },
    });
  return { lines, preflight };
}

test("a refused origin is logged once, with the line that allows it", async () => {
  const { lines, preflight } = record();
  for (const origin of ["http://localhost:4444", "http://localhost:8080", "http://localhost:4444"])
    await preflight(origin);
  expect(lines).toEqual([
    `a page of "http://localhost:4444" was refused: its origin is not allowed. To allow it, write in .env.local or .env: NATS_WS_ORIGINS='["http://localhost:8080","http://localhost:4444"]' (the same in MINT_ALLOWED_ORIGINS, if that is set)`,
  ]);
});

test.each([
  "null",
  "file://",
  "http://x'; rm -r /",
  "HTTP://LOCALHOST:1",
  "x".repeat(500),
  "chrome-extension://abc",
  "http://a'b",
  "http://a'$(id)'b",
  "http://$MINT_AUTH.example",
  "https://a`id`:8080",
  'http://a"b',
  "http://a;b&c",
])("for %s, which can't be allowed, no line is given", async (origin) => {
  const { lines, preflight } = record();
  await preflight(origin);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toEndWith("only pages that are served over http or https can be allowed");
  expect(lines[0]?.length).toBeLessThan(200);
});

test("a client that makes up origins does not fill the log", async () => {
  const { lines, preflight } = record();
  for (let i = 0; i < 100; i++) await preflight(`http://made-up-${i}.example.com`);
  expect(lines).toHaveLength(20);
});
