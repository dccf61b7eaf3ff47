import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { NatsConnection } from "nats";
import { liveCredentials, type TlsOptions } from "../../src/node/index.ts";
import { credentials, type Environment, makeEnvironment, within } from "../mint/parts.ts";
import { CLIENTS, type ClientName, clients } from "./clients.ts";
import { startTlsServer } from "./tls.ts";

/** Backends and a server that requires TLS. */

let environment: Environment;
let server: Awaited<ReturnType<typeof startTlsServer>>;
beforeAll(async () => {
  environment = await makeEnvironment();
  server = await startTlsServer(environment.recipe);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
});

async function start(client: ClientName, url: string, tls?: TlsOptions) {
  const live = await liveCredentials(
    async ({ publicKey }) => {
      const request = { user: "printer", role: "service", public_key: publicKey };
      return { ...(await credentials(environment.app, request)), servers: [url] };
    },
    { ...(tls && { tls }) },
  );
  return { live, connected: clients[client](live).finally(() => {}) };
}

async function expectToWork(nc: NatsConnection, refresh: () => Promise<void>): Promise<void> {
  const received: string[] = [];
  nc.subscribe("services.printer.>", { callback: (_, message) => received.push(message.string()) });
  nc.publish("services.printer.a", "before");
  await nc.flush();
  await refresh();
  nc.publish("services.printer.a", "after");
  await nc.flush();
  expect(received).toEqual(["before", "after"]);
}

describe.each(["nats", "tls"])("%s://", (scheme) => {
  test.each(CLIENTS)("%s connects and is renewed", async (client) => {
    const { ca } = server;
    const { live, connected } = await start(client, `${scheme}://localhost:${server.port}`, { ca });
    const nc = await connected;
    await expectToWork(nc, live.refresh);
    await nc.close();
    live.close();
  });

  test.each([
    ["an unknown authority", undefined, "localhost"],
    ["a certificate for another name", {}, "127.0.0.1"],
  ])("%s is refused, and nothing is sent", async (_, tls, host) => {
    const { live, connected } = await start(
      "nats-core",
      `${scheme}://${host}:${server.port}`,
      tls && { ca: server.ca },
    );
    await expect(within(connected, "the refusal")).rejects.toThrow(/certificate|altnames|issuer/i);
    live.close();
  });
});

test("a server that starts with TLS is connected to with handshakeFirst", async () => {
  await using first = await startTlsServer(environment.recipe, "handshake_first: true");
  const tls = { ca: first.ca, handshakeFirst: true };
  const { live, connected } = await start("nats", `tls://localhost:${first.port}`, tls);
  await expectToWork(await connected, live.refresh);
  await (await connected).close();
  live.close();
});

const INFO = '"server_id":"X","version":"2.15.3","nonce":"abc","max_payload":1000';

describe("nothing is sent in the clear", () => {
  test.each<[string, scheme: string, tls: TlsOptions | undefined, greeting: string, reason: string]>([
    ["with tls:// to a server without TLS", "tls", undefined, `INFO {${INFO}}\r\n`, "no TLS at"],
    ["with the option tls to a server without TLS", "nats", {}, `INFO {${INFO}}\r\n`, "no TLS at"],
    [
      "to a server that sends more before TLS",
      "tls",
      undefined,
      `INFO {${INFO},"tls_required":true}\r\nMSG x 1 2\r\nhi\r\n`,
      "more than INFO before TLS",
    ],
    [
      "with tls:// to what is no NATS server",
      "tls",
      undefined,
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "no TLS at",
    ],
  ])("%s", async (_, scheme, tls, greeting, reason) => {
    const sent: Buffer[] = [];
    const plain = createServer((socket) => {
      socket.on("data", (data) => sent.push(Buffer.from(data)));
      socket.write(greeting);
    });
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as { port: number };
    const { live, connected } = await start("nats-core", `${scheme}://127.0.0.1:${port}`, tls);
    await expect(within(connected, "the refusal")).rejects.toThrow(reason);
    live.close();
    plain.close();
    expect(Buffer.concat(sent).toString()).toBe("");
  });
});
