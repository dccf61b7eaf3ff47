import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { createMint } from "../../core/mint.ts";
import { makeAccount } from "../../core/roles/account.fixture.ts";
import { createApp } from "../app.ts";
import { devAuthentication } from "../dev.ts";

/** Behaviour that needs a real connection: a response before the body has arrived, and the end of the connection. */

let server: Bun.Server<undefined>;

beforeAll(async () => {
  const { accountJwt, seeds } = await makeAccount();
  const mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 60 } } });
  const servers = { websocket: [], tcp: [] };
  const app = createApp({ mint, ...devAuthentication({ defaultRole: "browser" }), servers });
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
});

afterAll(() => server.stop(true));

const head = (more: string) =>
  `POST /creds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n\r\n`;

/** All that the server sends until it closes the connection. */
function untilClosed(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let response = "";
    const socket = connect(server.port as number, "127.0.0.1", () => socket.write(request));
    socket.on("data", (data) => {
      response += data;
    });
    socket.on("close", () => resolve(response));
    socket.on("error", reject);
  });
}

test("a body announced as too large is refused before it is sent, and the connection closed", async () => {
  const response = await untilClosed(head("Content-Length: 8193"));
  expect(response).toStartWith("HTTP/1.1 413 ");
  expect(response).toContain('"code":"body_too_large"');
});

test("a body in chunks is refused as soon as it is too large, though it never ends", async () => {
  const chunk = `1000\r\n${" ".repeat(0x1000)}\r\n`;
  const response = await untilClosed(head("Transfer-Encoding: chunked") + chunk.repeat(3));
  expect(response).toStartWith("HTTP/1.1 413 ");
  expect(response).toContain('"code":"body_too_large"');
});

test("a body of another type is refused before it is sent, and the connection closed", async () => {
  const request = head("Content-Length: 100").replace("application/json", "text/plain");
  expect(await untilClosed(request)).toContain('"code":"unsupported_media_type"');
});

test("a body in small chunks is read", async () => {
  const body = '7\r\n{"user"\r\n9\r\n:"alice"}\r\n0\r\n\r\n';
  const response = await untilClosed(head("Connection: close\r\nTransfer-Encoding: chunked") + body);
  expect(response).toStartWith("HTTP/1.1 200 ");
  expect(response).toContain('"user":"alice"');
});
