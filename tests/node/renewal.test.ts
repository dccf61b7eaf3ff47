import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, jwtAuthenticator, type NatsConnection } from "nats";
import type { CredentialSource, LiveCredentialsEvent } from "../../src/node/index.ts";
import { liveCredentials } from "../../src/node/index.ts";
import { measure, printMeasures } from "../browser/measures.ts";
import { Recorder } from "../browser/page/recorder.ts";
import { makeProxy } from "../browser/proxy.ts";
import { compare, PERFECT, publish } from "../browser/publishers.ts";
import { bytes, credentials, type Environment, makeEnvironment, within } from "../mint/parts.ts";
import { CLIENTS, type ClientName, clients } from "./clients.ts";

/** Backends whose credentials are renewed while messages flow: each client, over TCP and over WebSocket. */

const JOBS = {
  pub: { allow: ["jobs.>", "$JS.API.>", "$JS.ACK.>", "$KV.>", "_INBOX_{{name()}}.>", "_INBOX.>"] },
  sub: { allow: ["jobs.>", "_INBOX_{{name()}}.>"] },
};

let environment: Environment;
beforeAll(async () => {
  environment = await makeEnvironment({ jobs: JOBS });
});
afterAll(() => environment?.[Symbol.asyncDispose]());
printMeasures();

let users = 0;

/** A source for a user of its own. @param servers  the servers that it names; by default all of the mint */
function makeSource(servers?: readonly string[]): CredentialSource {
  const user = `backend-${++users}`;
  return async ({ publicKey }) => {
    const response = await credentials(environment.app, { user, role: "jobs", public_key: publicKey });
    return { ...response, servers: servers ?? response.servers };
  };
}

/** A client with live credentials, and what they report. */
async function start(client: ClientName, servers?: readonly string[]) {
  const events: LiveCredentialsEvent[] = [];
  const live = await liveCredentials(makeSource(servers), { on: (event) => events.push(event) });
  const nc = await clients[client](live);
  return {
    live,
    nc,
    events,
    async [Symbol.asyncDispose]() {
      await nc.close();
      live.close();
    },
  };
}

function record(nc: NatsConnection, subject: string): Recorder {
  const recorder = new Recorder();
  nc.subscribe(subject, { callback: (_, message) => recorder.take(message.string()) });
  return recorder;
}

const RENEWALS = 5;

describe.each(["tcp", "ws"] as const)("over %s", (transport) => {
  test.each(transport === "tcp" ? CLIENTS : (["nats-core", "nats.ws", "nats"] as const))(
    "%s loses, repeats and reorders nothing when its credential is renewed",
    async (client) => {
      const target = Number(new URL(environment.url(transport)).port);
      await using proxy = await makeProxy({ targets: [target], delay: 5 });
      const scheme = transport === "tcp" ? "nats" : "ws";
      await using backend = await start(client, [`${scheme}://localhost:${proxy.port}`]);
      await using observer = await environment.observer();
      const subject = `jobs.${transport}.${client.replace(".", "-")}`;

      // What it receives, what it sends, and requests in both directions.
      const received = record(backend.nc, `${subject}.in`);
      const passedOn = record(observer.nc, `${subject}.out`);
      backend.nc.subscribe(`${subject}.ask`, { callback: (_, message) => message.respond(message.data) });
      observer.nc.subscribe(`${subject}.answer`, { callback: (_, message) => message.respond(message.data) });
      await backend.nc.flush();
      await observer.nc.flush();
      const replies: Promise<unknown>[] = [];
      await using up = publish([backend.nc], 300, (nc, text) => nc.publish(`${subject}.out`, text));
      await using down = publish([observer.nc], 600, (nc, text) => {
        nc.publish(`${subject}.in`, text);
        if (text.endsWith("0")) {
          replies.push(nc.request(`${subject}.ask`, text, { timeout: 30_000 }));
          replies.push(backend.nc.request(`${subject}.answer`, text, { timeout: 30_000 }));
        }
      });
      await received.reach(100);
      const calm = received.pause();
      for (let i = 0; i < RENEWALS; i++) await backend.live.refresh();
      const pause = received.pause();
      await Promise.all([up.stop(), down.stop()]);
      await within(Promise.all([received.complete(down.sent), passedOn.complete(up.sent)]), "all messages");
      await within(Promise.all(replies), "all replies");

      measure(`${client} over ${transport}, longest pause without and with renewals`, calm, pause);
      expect(compare(received.received, down.sent)).toEqual(PERFECT);
      expect(compare(passedOn.received, up.sent)).toEqual(PERFECT);
      expect(proxy.lines().length).toBe(1 + RENEWALS);
      expect(backend.events.map(({ type }) => type)).toEqual([
        "connected",
        ...Array.from({ length: RENEWALS }, () => ["refreshing", "refreshed"]).flat(),
      ] as LiveCredentialsEvent["type"][]);
    },
  );
});

/** Without this module: the client logs in again with a new credential, by `reconnect()`. */
test("for comparison, what nats loses when it reconnects with a new credential", async () => {
  const target = Number(new URL(environment.url("tcp")).port);
  await using proxy = await makeProxy({ targets: [target], delay: 5 });
  await using observer = await environment.observer();
  const request = { user: "reconnecting", role: "jobs" };
  let { jwt, seed = "" } = await credentials(environment.app, request);
  const nc = await connect({
    servers: `localhost:${proxy.port}`,
    authenticator: jwtAuthenticator(
      () => jwt,
      () => bytes(seed),
    ),
    reconnectDelayHandler: () => 0,
  });
  const received = record(nc, "jobs.in");
  const passedOn = record(observer.nc, "jobs.out");
  await Promise.all([nc.flush(), observer.nc.flush()]);
  await using _ = { [Symbol.asyncDispose]: () => nc.close() };
  await using up = publish([nc], 300, (client, text) => client.publish("jobs.out", text));
  await using down = publish([observer.nc], 600, (client, text) => client.publish("jobs.in", text));
  await received.reach(100);
  for (let i = 0; i < RENEWALS; i++) {
    ({ jwt, seed = "" } = await credentials(environment.app, request));
    const again = (async () => {
      for await (const { type } of nc.status()) if (type === "reconnect") return;
    })();
    await nc.reconnect();
    await within(again, "the client to connect again");
    await received.reach(received.count + 100);
  }
  await Promise.all([up.stop(), down.stop()]);
  await Promise.all([nc.flush(), observer.nc.flush()]);
  const lost = [compare(received.received, down.sent).lost, compare(passedOn.received, up.sent).lost];
  measure(`nats, messages lost by ${RENEWALS} times reconnect(): received, sent`, ...lost.map(String));
});
