import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { createApp } from "./app.ts";
import { nodeHandler } from "./node-handler.ts";

/** Requests that an application's own rule for a path does not recognize, and which must not reach that path. */

const handle = nodeHandler(
  createApp({
    mint: () => [],
    grant: () => ({ role: "browser", user: "x" as never }),
    servers: { websocket: [], tcp: [] },
    metrics: async () => ({ body: "the metrics", contentType: "text/plain" }),
  }),
);
const server = createServer((request, response) => {
  if (request.url?.split("?")[0] === "/metrics") response.writeHead(401).end();
  else handle(request, response);
});

beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => void server.close());

function send(path: string, host?: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const header = host === undefined ? "" : `Host: ${host}\r\n`;
  socket.write(`GET ${path} HTTP/1.${host === undefined ? 0 : 1}\r\n${header}Connection: close\r\n\r\n`);
  let text = "";
  socket.on("data", (data) => {
    text += data;
  });
  return new Promise((resolve) => socket.on("close", () => resolve(text)));
}
const statusOf = async (path: string, host?: string) => Number((await send(path, host)).split(" ")[1]);

test.each([
  ["/./metrics", "localhost"],
  ["/x/../metrics", "localhost"],
  ["/%2e/metrics", "localhost"],
  ["/x/%2E%2e/metrics", "localhost"],
  ["/\\..\\metrics", "localhost"],
  ["/x\\..\\..\\metrics", "localhost"],
  ["/metrics#x", "localhost"],
  ["/x", "localhost/metrics?"],
  ["/x", "localhost/metrics#"],
  ["/x", "localhost\\metrics?"],
  ["/x/metrics", ""],
  ["/healthz", "user@localhost"],
  ["/healthz", "localhost:99999"],
  ["/healthz", "a b"],
])("GET %s with the host %j is refused", async (path, host) => {
  const response = await send(path, host);
  expect(response).toStartWith("HTTP/1.1 400");
  expect(response).not.toContain("the metrics");
});

test.each([
  ["/healthz", "localhost", 200],
  ["/healthz?a=/./b'c#d", "LOCALHOST:8080", 200],
  ["/healthz", "127.0.0.1:80", 200],
  ["/healthz", "[::1]:8080", 200],
  ["/healthz", "my_service.internal", 200],
  ["/healthz", undefined, 200],
  ["/metrics", "localhost", 401],
  ["//metrics", "localhost", 404],
  ["/%6detrics", "localhost", 404],
  ["/a%20b;c=d,e!(f)*'~:@&+$", "localhost", 404],
] as const)("GET %s with the host %p gets its own response", async (path, host, status) => {
  expect(await statusOf(path, host)).toBe(status);
});
