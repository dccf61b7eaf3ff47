import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import {
  type CredentialSource,
  type LiveCredentialsEvent,
  liveCredentials,
  UnauthorizedError,
} from "../../src/node/index.ts";
import { makeProxy } from "../browser/proxy.ts";
import { credentials, type Environment, makeEnvironment, within } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { CLIENTS, type ClientName, clients } from "./clients.ts";

/** Backends while something ends or is missing: the credential, the connection, the mint, the server. */

let environment: Environment;
beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment?.[Symbol.asyncDispose]());

/** @param ttl  seconds */
async function start(
  client: ClientName,
  { servers = [environment.url("tcp")], ttl = 600, requests = Infinity } = {},
) {
  let count = 0;
  const source: CredentialSource = async ({ publicKey }) => {
    if (++count > requests) throw new UnauthorizedError("no longer");
    const request = {
      user: `printer-${client.replace(".", "-")}`,
      role: "service",
      ttl,
      public_key: publicKey,
    };
    return { ...(await credentials(environment.app, request)), servers };
  };
  const events: LiveCredentialsEvent[] = [];
  const waiting = new Set<() => void>();
  const live = await liveCredentials(source, {
    on(event) {
      events.push(event);
      for (const look of waiting) look();
    },
  });
  return {
    live,
    events,
    connect: () => clients[client](live),
    /** Waits until so many events of a type have come. */
    until: (type: LiveCredentialsEvent["type"], least: number) =>
      within(
        new Promise<void>((resolve) => {
          const look = () => events.filter((event) => event.type === type).length >= least && resolve();
          waiting.add(look);
          look();
        }),
        `${least} × ${type}`,
      ),
  };
}

/** Waits until the client itself says that it is connected again. */
async function reconnected(nc: NatsConnection): Promise<void> {
  for await (const { type } of nc.status()) if (type === "reconnect") return;
}

test("credentials of ten seconds are renewed three times, and no client is disconnected", async () => {
  await Promise.all(
    CLIENTS.map(async (client) => {
      const it = await start(client, { ttl: 10 });
      const nc = await it.connect();
      await it.until("refreshed", 3);
      await nc.flush();
      expect([client, it.events.filter(({ type }) => type === "disconnected")]).toEqual([client, []]);
      await nc.close();
      it.live.close();
    }),
  );
});

test("a client whose credential is no longer renewed closes when it expires, with the reason", async () => {
  await Promise.all(
    CLIENTS.map(async (client) => {
      const it = await start(client, { ttl: 10, requests: 1 });
      const nc = await it.connect();
      await it.until("unauthorized", 1);
      await nc.flush();
      expect([client, await within(nc.closed(), `${client} to close`)]).toEqual([
        client,
        expect.any(UnauthorizedError),
      ]);
      it.live.close();
    }),
  );
});

test.each(CLIENTS)(
  "%s connects again when its connection is cut, and has its subscriptions",
  async (client) => {
    await using proxy = await makeProxy({ targets: [Number(new URL(environment.url("tcp")).port)] });
    const it = await start(client, { servers: [`nats://localhost:${proxy.port}`] });
    const nc = await it.connect();
    const name = `printer-${client.replace(".", "-")}`;
    const received: string[] = [];
    nc.subscribe(`services.${name}.>`, { callback: (_, message) => received.push(message.string()) });
    await nc.flush();
    proxy.cut();
    await it.until("connected", 2);
    nc.publish(`services.${name}.a`, "hello");
    await nc.flush();
    expect(received).toEqual(["hello"]);
    expect(it.events.map(({ type }) => type)).toEqual(["connected", "disconnected", "connected"]);
    await nc.close();
    it.live.close();
  },
);

test.each(CLIENTS)("%s rejects at once if it can't reach the server the first time", async (client) => {
  const [port] = await freePorts(1);
  const it = await start(client, { servers: [`nats://127.0.0.1:${port}`] });
  await expect(within(it.connect(), "the error")).rejects.toThrow(/refused/i);
  it.live.close();
});

test.each(CLIENTS)("%s tries the servers in turn", async (client) => {
  const target = Number(new URL(environment.url("tcp")).port);
  await using first = await makeProxy({ targets: [target] });
  await using second = await makeProxy({ targets: [target] });
  const servers = [`nats://localhost:${first.port}`, `nats://localhost:${second.port}`];
  const it = await start(client, { servers });
  const nc = await it.connect();
  for (let i = 0; i < 3; i++) {
    const isFirst = first.open().length > 0;
    expect([first.open().length, second.open().length].sort()).toEqual([0, 1]);
    first.refuse(isFirst);
    second.refuse(!isFirst);
    const again = reconnected(nc);
    first.cut();
    second.cut();
    await within(again, "the client to connect again");
  }
  await nc.close();
  it.live.close();
});

test("a server without a port or a scheme is at port 4222 over TCP, and not over a WebSocket", async () => {
  for (const [server, url] of [
    ["nats.example", "nats://nats.example:4222"],
    ["nats.example:4333", "nats://nats.example:4333"],
    ["nats://nats.example", "nats://nats.example:4222"],
    ["nats://[::1]", "nats://[::1]:4222"],
    ["tls://nats.example/", "tls://nats.example:4222"],
    ["ws://nats.example", "ws://nats.example"],
    ["wss://nats.example/path", "wss://nats.example/path"],
  ] as const) {
    const { live } = await start("nats", { servers: [server] });
    expect([server, live.connectOptions().servers]).toEqual([server, [url]]);
    live.close();
  }
});
