import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type CredsResponse, liveCredentials } from "../../src/node/index.ts";
import { base64url } from "../auth/forge.ts";
import { within } from "../mint/parts.ts";
import { CLIENTS, clients } from "./clients.ts";

/** A server that is none, or that wants to harm: its connection ends, and the program goes on. */

const INFO = 'INFO {"server_id":"X","version":"2.15.3","headers":true,"max_payload":1000}\r\n';

/** A server that sends `greeting`, and `PONG` to every PING; and live credentials for it. */
async function start(greeting: string) {
  const sockets = new Set<Socket>();
  const isClosed = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => isClosed.resolve());
    socket.on("data", (data) => {
      for (const _ of String(data).matchAll(/^PING\r$/gm)) socket.write("PONG\r\n");
    });
    socket.write(greeting);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const exp = Math.floor(Date.now() / 1000) + 600;
  const live = await liveCredentials(({ publicKey: sub }): CredsResponse => {
    const jwt = `${base64url("{}")}.${base64url(JSON.stringify({ sub, exp }))}.x`;
    return { jwt, servers: [`nats://127.0.0.1:${port}`] };
  });
  return {
    live,
    /** Resolves when a connection has ended. */
    closed: isClosed.promise,
    send(text: string) {
      for (const socket of sockets) socket.write(text);
    },
    async [Symbol.asyncDispose]() {
      live.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const BROKEN = ["INFO\r\n", "INFO {\r\n", 'INFO {"nonce":"\0"}\r\n', "INFO {} {}\r\n"];

describe.each(CLIENTS)("%s", (client) => {
  test.each([...BROKEN, "INFO null\r\n"])("is rejected by a server that begins with %j", async (greeting) => {
    await using server = await start(greeting);
    await expect(within(clients[client](server.live), "the error")).rejects.toThrow();
  });

  test.each(BROKEN)("loses a connection over which %j comes", async (text) => {
    await using server = await start(INFO);
    const nc = await within(clients[client](server.live), "the connection");
    server.send(text);
    await within(server.closed, "the end of the connection");
    expect(nc.isClosed()).toBe(false);
    server.live.close();
    await within(nc.closed(), "the end of the client");
  });

  test.each([
    ["another case", INFO.replace("INFO", "info")],
    ["a tab", INFO.replace(" ", "\t")],
  ])("is rejected by a server whose INFO has %s", async (_, greeting) => {
    await using server = await start(greeting);
    await expect(within(clients[client](server.live), "the error")).rejects.toThrow();
  });
});
