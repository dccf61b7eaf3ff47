import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createServer, connect as dial, type Socket } from "node:net";
import { jetstream } from "@nats-io/jetstream";
import { jwtAuthenticator as coreAuthenticator, wsconnect } from "@nats-io/nats-core";
import { headers, type JetStreamManager } from "nats";
import { connect, consumerOpts, jwtAuthenticator } from "nats.ws";
import { deliverTo, sourceOf } from "../roles/deliver.ts";
import { reserved } from "../roles/recipes.ts";
import { readWithJetstream, readWithNatsWs } from "./history.ts";
import {
  bytes,
  type Client,
  credentials,
  type Environment,
  flushAll,
  makeEnvironment,
  requestCreds,
  TIMEOUT,
  within,
} from "./parts.ts";

/** The role `room`, as shipped: what users in a room can do, and that they can do nothing outside of it. */

let environment: Environment;
let observer: Client;
let manager: JetStreamManager;

/** The room of a test, and another room; each test has its own. */
let lobby: string;
let cellar: string;
let rooms = 0;
/** The first sequence of a test. */
let begin: number;

beforeAll(async () => {
  environment = await makeEnvironment();
  observer = await environment.observer();
  manager = await observer.nc.jetstreamManager();
  await manager.streams.add({ name: "OTHER", subjects: ["other.*"], allow_direct: true });
});
afterAll(async () => {
  await observer?.close();
  await environment?.[Symbol.asyncDispose]();
});

async function nextRooms(): Promise<void> {
  lobby = `lobby${++rooms}`;
  cellar = `cellar${rooms}`;
  begin = (await manager.streams.info("ROOMS")).state.last_seq + 1;
}

/** The text with the names of this test's rooms. */
const here = (text: string) => text.replaceAll("lobby", lobby).replaceAll("cellar", cellar);

const inRoom = (room: string) => ({ role: "room", tags: { room } });

/** The messages of this test's rooms in the stream. */
async function stored() {
  const { last_seq } = (await manager.streams.info("ROOMS")).state;
  const all = await Promise.all(
    Array.from({ length: last_seq - begin + 1 }, (_, i) =>
      manager.streams.getMessage("ROOMS", { seq: begin + i }),
    ),
  );
  return all.filter(({ subject }) => [lobby, cellar].includes(subject.split(".")[1] ?? ""));
}

const asText = ({ subject, data }: { subject: string; data: Uint8Array }) =>
  `${subject} ${new TextDecoder().decode(data)}`;

/** A TCP proxy to the server that can drop what the server sends, and break the connections. */
async function makeProxy(to: number) {
  const sockets = new Set<Socket>();
  let isDropping = false;
  const server = createServer((client) => {
    const upstream = dial(to, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (data) => upstream.write(data)).on("close", () => upstream.destroy());
    upstream.on("data", (data) => isDropping || client.write(data)).on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return {
    port: (server.address() as { port: number }).port,
    drop: () => {
      isDropping = true;
    },
    /** Breaks the connections. New ones work. */
    break: () => {
      isDropping = false;
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The connection of a page, which reconnects automatically. */
const pages = {
  "nats.ws": async (user: string, room: string, port: number) => {
    const {
      jwt,
      seed = "",
      inbox_prefix = "",
    } = await credentials(environment.app, { user, role: "room", tags: { room } });
    const nc = await connect({
      servers: `ws://127.0.0.1:${port}`,
      authenticator: jwtAuthenticator(jwt, bytes(seed)),
      inboxPrefix: inbox_prefix,
      reconnectTimeWait: 10,
    });
    const js = nc.jetstream();
    const subject = `rooms.${room}.*.chat`;
    return {
      nc,
      publish: async (text: string) =>
        (await js.publish(`rooms.${room}.${user}.chat`, bytes(text), { msgID: crypto.randomUUID() })).seq,
      read: () => readWithNatsWs(nc, room),
      /** With the ordered consumer of the client library alone. */
      readWithoutRecovery: async () =>
        js.subscribe(
          subject,
          consumerOpts().bindStream("ROOMS").consumerName(crypto.randomUUID()).orderedConsumer(),
        ),
    };
  },
  "@nats-io/jetstream": async (user: string, room: string, port: number) => {
    const {
      jwt,
      seed = "",
      inbox_prefix = "",
    } = await credentials(environment.app, { user, role: "room", tags: { room } });
    const nc = await wsconnect({
      servers: `ws://127.0.0.1:${port}`,
      authenticator: coreAuthenticator(jwt, bytes(seed)),
      inboxPrefix: inbox_prefix,
      reconnectTimeWait: 10,
    });
    const js = jetstream(nc);
    const filter = { filter_subjects: `rooms.${room}.*.chat` };
    return {
      nc,
      publish: async (text: string) =>
        (await js.publish(`rooms.${room}.${user}.chat`, text, { msgID: crypto.randomUUID() })).seq,
      read: () => readWithJetstream(nc, room),
      readWithoutRecovery: async () => {
        const messages = await (await js.consumers.getPushConsumer("ROOMS", filter)).consume();
        // Otherwise its heartbeat monitor goes on.
        void nc.closed().then(() => messages.stop());
        return messages;
      },
    };
  },
};

interface ReceivedMessage {
  readonly subject: string;
  string(): string;
}

/** The next messages, as subject and text. */
async function take(messages: AsyncIterator<ReceivedMessage>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const { value, done } = await within(messages.next(), `message ${taken.length + 1} of ${count}`);
    if (done) throw new Error(`the iterator ended after ${taken.length} messages`);
    taken.push(`${value.subject} ${value.string()}`);
  }
  return taken;
}

for (const [client, open] of Object.entries(pages)) {
  describe(`with ${client}, users in a room`, () => {
    let alice: Awaited<ReturnType<typeof open>>;
    let bob: Awaited<ReturnType<typeof open>>;
    let proxy: Awaited<ReturnType<typeof makeProxy>>;
    let denials: string[];

    beforeEach(async () => {
      await nextRooms();
      const port = environment.recipe.ports.webSocket;
      proxy = await makeProxy(port);
      alice = await open("alice", lobby, port);
      bob = await open("bob", lobby, proxy.port);
      denials = [];
      void (async () => {
        // The two clients report it in different forms.
        for await (const status of bob.nc.status() as AsyncIterable<Record<string, unknown>>) {
          if (status.type === "error") {
            const { permissionContext, error } = status as {
              permissionContext?: { subject: string };
              error?: { subject?: string };
            };
            denials.push(permissionContext?.subject ?? error?.subject ?? JSON.stringify(status));
          }
        }
      })();
    });
    afterEach(async () => {
      await alice?.nc.close();
      await bob?.nc.close();
      await proxy?.[Symbol.asyncDispose]();
    });

    test("read the stored messages in order, and then the new ones", async () => {
      await using mallory = await environment.logIn({ user: "mallory", ...inRoom(cellar) });
      expect(await alice.publish("one")).toBe(begin);
      await mallory.nc.jetstream().publish(`rooms.${cellar}.mallory.chat`, "in another room");
      await alice.publish("two");
      const received = bob.read();
      expect(await take(received, 2)).toEqual([
        `rooms.${lobby}.alice.chat one`,
        `rooms.${lobby}.alice.chat two`,
      ]);
      await bob.publish("three");
      await alice.publish("four");
      expect(await take(received, 2)).toEqual([
        `rooms.${lobby}.bob.chat three`,
        `rooms.${lobby}.alice.chat four`,
      ]);
      expect(denials).toEqual([]);
    });

    test("read a history that is long enough for flow control requests of the server", async () => {
      const long = "x".repeat(7900);
      const texts = Array.from({ length: 600 }, (_, i) => `${i} ${long}`);
      for (const text of texts) await alice.publish(text);
      const flowControl = await observer.subscribe("$JS.FC.ROOMS.*.*");
      expect(await take(bob.read(), 600)).toEqual(texts.map((text) => `rooms.${lobby}.alice.chat ${text}`));
      await flushAll(observer);
      expect(flowControl.subjects.length).toBeGreaterThan(0);
      expect(denials).toEqual([]);
    });

    test("lose no message when the connection breaks, and receive none twice", async () => {
      const received = bob.read();
      await alice.publish("one");
      expect(await take(received, 1)).toEqual([`rooms.${lobby}.alice.chat one`]);
      for (const [lost, more] of [
        ["two", "three"],
        ["four", "five"],
      ] as const) {
        proxy.drop();
        const seq = await alice.publish(lost);
        await delivered(seq);
        proxy.break();
        await alice.publish(more);
        expect(await take(received, 2)).toEqual([
          `rooms.${lobby}.alice.chat ${lost}`,
          `rooms.${lobby}.alice.chat ${more}`,
        ]);
      }
      expect(denials).toEqual([]);
    });

    test("receive no more messages after they have closed the connection", async () => {
      const received: AsyncIterator<ReceivedMessage> = bob.read();
      await alice.publish("one");
      await take(received, 1);
      await bob.nc.close();
      expect(await within(received.next(), "the end")).toMatchObject({ done: true });
    });

    test("skip messages that the server was made to send in another user's name", async () => {
      await using mallory = await environment.logIn({ user: "mallory", ...inRoom(lobby) });
      mallory.nc.publish(`rooms.${lobby}.mallory.chat`, "{}", { reply: `rooms.${lobby}.alice.chat` });
      await flushAll(mallory);
      await alice.publish("from alice");
      const forged = `rooms.${lobby}.alice.chat {"stream":"ROOMS","seq":${begin}}`;
      while (!(await stored()).map(asText).includes(forged));
      expect(await take(bob.read(), 1)).toEqual([`rooms.${lobby}.alice.chat from alice`]);
    });

    test("get an error for a message that is too large", async () => {
      await expect(alice.publish("x".repeat(8192))).rejects.toThrow("message size exceeds maximum allowed");
      expect(await stored()).toEqual([]);
    });

    test("need the recovery of history.ts after a gap with nats.ws, and not with the other client", async () => {
      const messages = await bob.readWithoutRecovery();
      const received = messages[Symbol.asyncIterator]() as AsyncIterator<ReceivedMessage>;
      await alice.publish("one");
      await take(received, 1);
      proxy.drop();
      const lost = await alice.publish("two");
      await delivered(lost);
      proxy.break();
      await reconnected();
      await alice.publish("three");
      if (client === "nats.ws") {
        await expect(take(received, 1)).rejects.toThrow(
          `unable to recreate ordered consumer ROOMS at seq ${lost}`,
        );
        expect(denials).toEqual(["$JS.API.CONSUMER.CREATE.ROOMS"]);
      } else {
        expect(await take(received, 2)).toEqual([
          `rooms.${lobby}.alice.chat two`,
          `rooms.${lobby}.alice.chat three`,
        ]);
        // The client tried to remove the old consumer.
        expect(denials).toEqual([expect.stringContaining("$JS.API.CONSUMER.DELETE.ROOMS.")]);
      }
    });

    /** Waits until the server has sent the message to the reader, where it may not have arrived. */
    async function delivered(seq: number): Promise<void> {
      while (true) {
        for await (const { config, push_bound, delivered } of manager.consumers.list("ROOMS")) {
          const isReader = push_bound && config.filter_subject === `rooms.${lobby}.*.chat`;
          if (isReader && delivered.stream_seq >= seq) return;
        }
      }
    }

    async function reconnected(): Promise<void> {
      for await (const { type } of bob.nc.status() as AsyncIterable<{ type: string }>) {
        if (type === "reconnect") return;
      }
    }
  });
}

describe("the room role", () => {
  let alice: Client;
  let bob: Client;

  beforeEach(async () => {
    await nextRooms();
    alice = await environment.logIn({ user: "alice", ...inRoom(lobby) });
    bob = await environment.logIn({ user: "bob", ...inRoom(lobby) });
  });
  afterEach(async () => {
    await alice.close();
    await bob.close();
  });

  test("gives access to one room with a valid name, or to none", async () => {
    for (const room of ["*", ">", "lobby.x", "lobby.>", "", "a b", "{{name()}}"]) {
      const response = await requestCreds(environment.app, { user: "alice", role: "room", tags: { room } });
      expect([room, response.status]).toEqual([room, 422]);
    }
    const { permissions } = await credentials(environment.app, { user: "alice", role: "room" });
    const own = ["_INBOX_alice.>", "users.alice.>"];
    expect(permissions.pub?.allow?.toSorted()).toEqual(["$JS.FC.ROOMS.*.*", ...own]);
    expect(permissions.sub?.allow?.toSorted()).toEqual(own);
  });

  test("allows WebSocket only", async () => {
    const refused = environment.logIn({ user: "alice", ...inRoom(lobby) }, "tcp");
    await expect(refused).rejects.toMatchObject({ code: "AUTHORIZATION_VIOLATION" });
  });

  test("receives the messages of the room, and has the subjects and the inbox of the browser role", async () => {
    const room = await bob.subscribe(`rooms.${lobby}.>`);
    const own = await alice.subscribe("users.alice.>");
    alice.nc.publish(`rooms.${lobby}.alice.typing`);
    alice.nc.publish("users.alice.x");
    alice.nc.subscribe("users.alice.echo", { callback: (_, message) => message.respond(message.data) });
    const reply = await alice.nc.request("users.alice.echo", "hello", { timeout: TIMEOUT });
    await flushAll(alice, bob);
    expect(room.subjects).toEqual([`rooms.${lobby}.alice.typing`]);
    expect(own.subjects).toEqual(["users.alice.x", "users.alice.echo"]);
    expect(reply.string()).toBe("hello");
    expect([...alice.denials, ...bob.denials]).toEqual([]);
  });

  test("can't publish under another name or in another room, and can request nothing from JetStream but a consumer of the room", async () => {
    const forbidden = [
      `rooms.${lobby}.bob.chat`,
      `rooms.${lobby}.bob.typing`,
      `rooms.${lobby}.alice`,
      `rooms.${lobby}.chat`,
      `rooms.${lobby}.*.chat`,
      `rooms.${lobby}.>`,
      `rooms.${lobby}.Alice.chat`,
      `rooms.${lobby}.alice2.chat`,
      `rooms.${cellar}.alice.chat`,
      "rooms.Lobby.alice.chat",
      "rooms.*.alice.chat",
      "rooms.>",
      "rooms",
      "users.bob.x",
      "services.alice.x",
      "_INBOX.x",
      "_INBOX_bob.x",
      "_INBOX_*.x",
      "other.x",
      ...[
        "INFO",
        "STREAM.NAMES",
        "STREAM.LIST",
        "STREAM.INFO.ROOMS",
        "STREAM.CREATE.ROOMS",
        "STREAM.CREATE.MINE",
        "STREAM.UPDATE.ROOMS",
        "STREAM.PURGE.ROOMS",
        "STREAM.DELETE.ROOMS",
        "STREAM.MSG.GET.ROOMS",
        "STREAM.MSG.DELETE.ROOMS",
        "STREAM.SNAPSHOT.ROOMS",
        "STREAM.RESTORE.ROOMS",
        "DIRECT.GET.ROOMS",
        `DIRECT.GET.ROOMS.rooms.${lobby}.bob.chat`,
        "CONSUMER.NAMES.ROOMS",
        "CONSUMER.LIST.ROOMS",
        "CONSUMER.INFO.ROOMS.c",
        "CONSUMER.MSG.NEXT.ROOMS.c",
        "CONSUMER.DELETE.ROOMS.c",
        "CONSUMER.PAUSE.ROOMS.c",
        "CONSUMER.RESET.ROOMS.c",
        "CONSUMER.UNPIN.ROOMS.c",
        "CONSUMER.DURABLE.CREATE.ROOMS.c",
        "CONSUMER.CREATE.ROOMS",
        "CONSUMER.CREATE.ROOMS.c",
        "CONSUMER.CREATE.ROOMS.c.>",
        "CONSUMER.CREATE.ROOMS.c.rooms.>",
        "CONSUMER.CREATE.ROOMS.c.rooms.*.*.chat",
        "CONSUMER.CREATE.ROOMS.c.rooms.*.alice.chat",
        `CONSUMER.CREATE.ROOMS.c.rooms.${cellar}.*.chat`,
        `CONSUMER.CREATE.ROOMS.c.rooms.${cellar}.alice.chat`,
        `CONSUMER.CREATE.ROOMS.c.rooms.${lobby}.>`,
        `CONSUMER.CREATE.ROOMS.c.d.rooms.${lobby}.*.chat`,
        `CONSUMER.CREATE.OTHER.c.rooms.${lobby}.*.chat`,
        `CONSUMER.CREATE.*.c.rooms.${lobby}.*.chat`,
        "CONSUMER.CREATE.OTHER.c.other.*",
      ].map((call) => `$JS.API.${call}`),
      `$JS.hub.API.CONSUMER.CREATE.ROOMS.c.rooms.${lobby}.*.chat`,
      "$JS.ACK.ROOMS.c.1.1.1.1.1",
      "$JS.ACK._.x.ROOMS.c.1.1.1.1.1",
      "$JS.FC.OTHER.c.x",
      "$JS.FC.ROOMS.c",
      "$JS.FC.ROOMS.c.x.y",
      "$JS.FC._.x.ROOMS.c.y",
      "$KV.ROOMS.x",
      "$SYS.REQ.USER.INFO",
    ];
    await using other = await environment.observer();
    const seen = await other.subscribe(">");
    for (const subject of forbidden) alice.nc.publish(subject, "from alice");
    alice.nc.publish(`rooms.${lobby}.alice.last`);
    await flushAll(alice, other);
    expect(seen.subjects).toEqual([`rooms.${lobby}.alice.last`]);
    expect(alice.denials).toEqual(forbidden.map((subject) => `publish ${subject}`));
  });

  const otherSubjects = [
    "rooms.cellar.>",
    "rooms.cellar.alice.chat",
    "rooms.Lobby.>",
    "rooms.*.>",
    "rooms.*.alice.chat",
    "rooms.>",
    "rooms",
    "*.lobby.>",
    ">",
    "users.bob.>",
    "users.*.x",
    "_INBOX_bob.>",
    "_INBOX_*.>",
    "_INBOX.>",
    "other.x",
    "$JS.>",
    "$JS.API.>",
    "$JS.API.CONSUMER.CREATE.ROOMS.>",
    "$JS.FC.>",
    "$JS.FC.ROOMS.*.*",
    "$JS.ACK.>",
    "$JS.EVENT.ADVISORY.>",
    "$SYS.>",
  ];
  test.each([undefined, "workers", "*"])("reads only its own room (queue group %p)", async (queue) => {
    const subscriptions = [];
    for (const subject of otherSubjects.map(here))
      subscriptions.push({ subject, ...(await alice.subscribe(subject, queue)) });
    await using mallory = await environment.logIn({ user: "mallory", ...inRoom(cellar) });
    await mallory.nc.jetstream().publish(`rooms.${cellar}.mallory.chat`, "a secret");
    mallory.nc.publish(`rooms.${cellar}.mallory.typing`);
    await bob.nc.jetstream().publish(`rooms.${lobby}.bob.chat`, "hello");
    await flushAll(mallory, alice);
    await flushAll(bob, alice);
    for (const received of subscriptions) expect(received).toMatchObject({ messages: [], denied: true });
  });

  /** Requests a consumer with this body; the name and the filter are those in the subject. */
  async function consume(
    body: string | object,
    name: string = crypto.randomUUID(),
    filter = `rooms.${lobby}.*.chat`,
  ) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await alice.nc.request(`$JS.API.CONSUMER.CREATE.ROOMS.${name}.${filter}`, text, {
      timeout: TIMEOUT,
    });
    return response.json<{
      error?: { description: string };
      name?: string;
      config?: Record<string, unknown>;
    }>();
  }

  /** The request that the role is made for. */
  const request = (config: object = {}, more: object = {}) => ({
    stream_name: "ROOMS",
    config: {
      filter_subject: `rooms.${lobby}.*.chat`,
      ack_policy: "none",
      deliver_subject: "_INBOX_alice.history",
      ...config,
    },
    ...more,
  });

  const names = async () => (await manager.consumers.list("ROOMS").next()).map(({ name }) => name).toSorted();

  test("gets no consumer with another filter than that of the subject, in any form of request", async () => {
    await using mallory = await environment.logIn({ user: "mallory", ...inRoom(cellar) });
    await mallory.nc.jetstream().publish(`rooms.${cellar}.mallory.chat`, "a secret");
    await observer.nc.jetstream().publish("other.x", "another secret");
    const received = await alice.subscribe("_INBOX_alice.history");
    const before = await names();
    const deliver = '"deliver_subject":"_INBOX_alice.history"';
    const good = `"filter_subject":"rooms.${lobby}.*.chat",${deliver}`;
    const bad = `"filter_subject":"rooms.${cellar}.*.chat"`;
    for (const body of [
      request({ filter_subject: `rooms.${cellar}.*.chat` }),
      request({ filter_subject: "rooms.*.*.chat" }),
      request({ filter_subject: ">" }),
      request({ filter_subject: "" }),
      request({ filter_subject: undefined }),
      request({ filter_subject: undefined, filter_subjects: [`rooms.${cellar}.*.chat`] }),
      request({ filter_subjects: [`rooms.${cellar}.*.chat`] }),
      request({ filter_subjects: [`rooms.${lobby}.*.chat`, `rooms.${cellar}.*.chat`] }),
      request({}, { stream_name: "OTHER" }),
      request({}, { stream_name: "" }),
      `{"stream_name":"ROOMS","config":{${good},${bad}}}`,
      `{"stream_name":"ROOMS","config":{${good},${bad.toUpperCase()}}}`,
      `{"stream_name":"ROOMS","config":{${good}},"config":{${bad}}}`,
      `{"stream_name":"ROOMS","config":{${good}},"config":{"filter_subjects":["rooms.>"]}}`,
      `{"stream_name":"ROOMS","stream_name":"OTHER","config":{${good}}}`,
      `{"stream_name":"ROOMS","config":{${good}}} {"config":{${bad}}}`,
      "",
      "{}",
    ]) {
      const { error } = await consume(body);
      expect([body, error?.description]).toEqual([
        body,
        expect.stringMatching(/filter|stream|invalid JSON/i),
      ]);
    }
    for (const filter of [`rooms.${lobby}.>.chat`, `rooms.${lobby}..chat`]) {
      const { error } = await consume(request({ filter_subject: filter }), "c", filter).catch((refused) => ({
        error: refused,
      }));
      expect([filter, error]).toEqual([filter, expect.anything()]);
    }
    await flushAll(observer, alice);
    expect(received.messages).toEqual([]);
    expect(await names()).toEqual(before);
  });

  test("gets no consumer that stays long after its page", async () => {
    const { config } = await consume(request({ durable_name: "mine" }), "mine");
    expect(config?.inactive_threshold).toBe(300e9);
    const { error } = await consume(request({ inactive_threshold: 301e9 }));
    expect(error?.description).toContain("inactive threshold exceeds");
  });

  test("can't overwrite, count, schedule or expire messages by headers", async () => {
    await bob.nc.jetstream().publish(`rooms.${lobby}.bob.chat`, "mine");
    for (const [name, value] of [
      ["Nats-Rollup", "all"],
      ["Nats-Rollup", "sub"],
      ["Nats-TTL", "1s"],
      ["Nats-Incr", "+1"],
      ["Nats-Schedule", "@every 1s"],
      ["Nats-Batch-Id", "x"],
      ["Nats-Stream-Source", "OTHER 1 > > other.x"],
    ] as const) {
      const set = headers();
      set.set(name, value);
      if (name === "Nats-Schedule") set.set("Nats-Schedule-Target", `rooms.${cellar}.bob.chat`);
      if (name === "Nats-Batch-Id") set.set("Nats-Batch-Sequence", "1");
      const response = await alice.nc.request(`rooms.${lobby}.alice.chat`, "x", {
        headers: set,
        timeout: TIMEOUT,
      });
      expect([name, response.json<{ error?: object }>().error]).toEqual([name, expect.anything()]);
    }
    expect((await stored()).map(asText)).toEqual([`rooms.${lobby}.bob.chat mine`]);
  });

  test("has messages that can't be deleted, even by a user with all permissions", async () => {
    await bob.nc.jetstream().publish(`rooms.${lobby}.bob.chat`, "mine");
    await expect(manager.streams.purge("ROOMS")).rejects.toThrow("purge not permitted");
    await expect(manager.streams.deleteMessage("ROOMS", begin)).rejects.toThrow("delete not permitted");
    expect((await stored()).map(asText)).toEqual([`rooms.${lobby}.bob.chat mine`]);
  });

  test("can't publish a message with a JetStream reply subject", async () => {
    await observer.nc.jetstream().publish("other.x", "still there");
    await manager.consumers.add("OTHER", { durable_name: "worker", ack_policy: "explicit" as never });
    const before = await manager.streams.info("OTHER");
    const consumers = await names();
    for (const call of [
      "STREAM.PURGE.OTHER",
      "STREAM.DELETE.OTHER",
      "STREAM.UPDATE.OTHER",
      "STREAM.MSG.DELETE.OTHER",
      "STREAM.CREATE.MINE",
      "CONSUMER.DELETE.OTHER.worker",
      "CONSUMER.PAUSE.OTHER.worker",
      "CONSUMER.RESET.OTHER.worker",
      "CONSUMER.MSG.NEXT.OTHER.worker",
    ]) {
      const reply = `$JS.API.${call}`;
      alice.nc.publish(`rooms.${lobby}.alice.chat`, "x", { reply });
      const consumer = `$JS.API.CONSUMER.CREATE.ROOMS.${crypto.randomUUID()}.rooms.${lobby}.*.chat`;
      alice.nc.publish(consumer, JSON.stringify(request()), { reply });
    }
    await flushAll(alice, observer);
    expect(new Set(alice.denials)).toEqual(new Set(["reply"]));
    expect(alice.denials).toHaveLength(2 * 9);
    expect([await stored(), await names()]).toEqual([[], consumers]);
    const { config, state } = await manager.streams.info("OTHER");
    expect({ config, messages: state.messages }).toEqual({
      config: before.config,
      messages: before.state.messages,
    });
    expect(await manager.consumers.info("OTHER", "worker")).toMatchObject({ delivered: { consumer_seq: 0 } });
    expect(await manager.streams.names().next()).toEqual(["OTHER", "ROOMS"]);
    await manager.consumers.delete("OTHER", "worker");
  });

  test("can't create or update a consumer to deliver to JetStream or into the stream itself", async () => {
    const { name } = await consume(request());
    const before = await names();
    const calls = ["STREAM.DELETE.OTHER", "CONSUMER.RESET.OTHER.worker", "CONSUMER.MSG.NEXT.OTHER.worker"];
    for (const deliver_subject of [...calls.map((call) => `$JS.API.${call}`), ...reserved]) {
      for (const which of [undefined, name]) {
        const { error } = await consume(request({ deliver_subject }), which);
        expect([deliver_subject, error?.description]).toEqual([
          deliver_subject,
          "invalid push consumer deliver subject",
        ]);
      }
    }
    const { error } = await consume(request({ deliver_subject: `rooms.${cellar}.bob.chat` }));
    expect(error?.description).toContain("forms a cycle");
    expect(await names()).toEqual(before);
  });

  /** For other subjects, NATS checks neither a consumer's deliver subject nor a reply subject: see tests/roles/holes.test.ts. */
  describe("is not prevented by the server", () => {
    /** Waits until bob has received this many messages. */
    const waitForMessages = async (received: { messages: string[] }, count: number) => {
      while (received.messages.length < count) await flushAll(observer, bob);
    };

    test("from delivering the room's messages to a subject with a subscription to exactly this subject", async () => {
      await bob.nc.jetstream().publish(`rooms.${lobby}.bob.chat`, "an old message");
      const literal = await bob.subscribe("users.bob.echo");
      const wildcard = await bob.subscribe("users.bob.*");
      await consume(request({ deliver_subject: "users.bob.echo" }));
      await waitForMessages(literal, 1);
      await waitForMessages(wildcard, 1);
      // Bob receives them with the subject of the message.
      expect(literal.subjects).toEqual([`rooms.${lobby}.bob.chat`]);
      expect(wildcard.subjects).toEqual([`rooms.${lobby}.bob.chat`]);
    });

    test("from delivering them to wildcard subscriptions of others, and empty messages into another room and in another user's name", async () => {
      await using mallory = await environment.logIn({ user: "mallory", ...inRoom(cellar) });
      const received = await mallory.subscribe(`rooms.${cellar}.>`);
      const source = sourceOf(alice, "ROOMS", `rooms.${lobby}.*.chat`, `rooms.${lobby}.alice.chat`);
      const name = await deliverTo(`rooms.${cellar}.bob.typing`, source, observer);
      await source.publish("from the lobby");
      const empty = `rooms.${cellar}.bob.typing`;
      while (!received.messages.includes("from the lobby") || !received.subjects.includes(empty))
        await flushAll(observer, mallory);
      expect(new Set(received.subjects)).toEqual(new Set([`rooms.${lobby}.alice.chat`, empty]));
      expect(received.messages[received.subjects.indexOf(empty)]).toBe("");
      expect(alice.denials).toEqual([]);
      await manager.consumers.delete("ROOMS", name);
    });

    test("from delivering old messages to the room again, which can be recognized by their reply subject", async () => {
      await bob.nc.jetstream().publish(`rooms.${lobby}.bob.chat`, "an old message");
      const replies: string[] = [];
      bob.nc.subscribe(`rooms.${lobby}.>`, { callback: (_, message) => replies.push(message.reply ?? "") });
      await bob.nc.flush();
      await alice.subscribe(`rooms.${lobby}.alice.again`);
      await consume(request({ deliver_subject: `rooms.${lobby}.alice.again` }));
      while (replies.length < 1) await flushAll(observer, bob);
      expect(replies).toEqual([expect.stringMatching(/^\$JS\.ACK\.ROOMS\./)]);
    });

    test("from having the server's responses sent anywhere, even into another room and in another user's name", async () => {
      const received = await bob.subscribe("users.bob.>");
      alice.nc.publish(`rooms.${lobby}.alice.chat`, "x", { reply: "users.bob.x" });
      alice.nc.publish(`rooms.${lobby}.alice.chat`, "x", { reply: `rooms.${cellar}.bob.chat` });
      const create = `$JS.API.CONSUMER.CREATE.ROOMS.c.rooms.${lobby}.*.chat`;
      const description = "as if from bob";
      alice.nc.publish(create, JSON.stringify(request({ description })), {
        reply: `rooms.${cellar}.bob.chat`,
      });
      await waitForMessages(received, 1);
      expect(received.messages).toEqual([`{"stream":"ROOMS","seq":${begin}}`]);
      let all = await stored();
      while (all.length < 4) all = await stored();
      const forged = all.filter(({ subject }) => subject === `rooms.${cellar}.bob.chat`);
      expect(forged).toHaveLength(2);
      expect(forged.map(asText).join()).toContain(`"description":"${description}"`);
      // They differ from bob's messages: they have no headers.
      for (const { header } of forged) expect([...header.keys()]).toEqual([]);
    });

    test("from learning whether and when a user publishes in another room", async () => {
      await using mallory = await environment.logIn({ user: "mallory", ...inRoom(cellar) });
      const { seq } = await mallory.nc.jetstream().publish(`rooms.${cellar}.mallory.chat`, "a secret");
      const expected = headers();
      expected.set("Nats-Expected-Last-Subject-Sequence", "0");
      expected.set("Nats-Expected-Last-Subject-Sequence-Subject", `rooms.${cellar}.mallory.chat`);
      const response = await alice.nc.request(`rooms.${lobby}.alice.chat`, "x", {
        headers: expected,
        timeout: TIMEOUT,
      });
      expect(response.json<{ error: object }>().error).toMatchObject({
        description: `wrong last sequence: ${seq}`,
      });
    });
  });
});
