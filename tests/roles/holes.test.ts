import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { AckPolicy, headers, type JetStreamManager } from "nats";
import { type Client, flushAll, TIMEOUT } from "../mint/parts.ts";
import { consume as consumeFrom, deliverTo, redirect, sourceOf } from "./deliver.ts";
import {
  apiCalls,
  loginOf,
  makeRoleEnvironment,
  type RoleEnvironment,
  readJetStream,
  reserved,
  until,
} from "./recipes.ts";

/**
 * What a user can do to another user beyond the permissions of its role. NATS checks the subject of a message against
 * the permissions, but a reply subject and the deliver subject of a consumer only for JetStream's own subjects.
 * docs/roles.md describes the same.
 */

/** Unsafe roles: each is a shipped one with one permission too many. */
const bad = {
  "with-direct-get": {
    pub: {
      allow: ["$KV.loose.{{name()}}.>", "$JS.API.DIRECT.GET.KV_loose.$KV.loose.{{name()}}.>"],
    },
    sub: { allow: ["_INBOX_{{name()}}.>"] },
  },
  "with-direct-get-only": {
    pub: { allow: ["$JS.API.DIRECT.GET.KV_loose.$KV.loose.{{name()}}.>"] },
    sub: { allow: ["_INBOX_{{name()}}.>"] },
  },
  "with-responses": {
    pub: { deny: [">"] },
    sub: { allow: ["orders.ask.*.> orders"] },
    responses: { max: 1, ttl: 60 },
  },
  "with-batches": { pub: { allow: ["batches.{{name()}}.>"] }, sub: { allow: ["_INBOX_{{name()}}.>"] } },
  "with-rollup": { pub: { allow: ["$KV.loose.{{name()}}.>"] }, sub: { allow: ["_INBOX_{{name()}}.>"] } },
};

let environment: RoleEnvironment;
let admin: Client;
let manager: JetStreamManager;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  environment = await makeRoleEnvironment(bad);
  ({ admin, manager } = environment);
  for (const durable_name of ["alice", "bob"]) {
    const filter_subject = `tasks.${durable_name}.>`;
    await manager.consumers.add("TASKS", { durable_name, filter_subject, ack_policy: AckPolicy.Explicit });
  }
});
afterAll(async () => {
  await environment?.admin.close();
  await environment?.[Symbol.asyncDispose]();
});

/** A stream that no role of these tests has access to, with a consumer, made again for each test. */
async function makeOther(): Promise<void> {
  if ((await manager.streams.names().next()).includes("OTHER")) await manager.streams.delete("OTHER");
  await manager.streams.add({ name: "OTHER", subjects: ["other.*"], allow_direct: true });
  await manager.consumers.add("OTHER", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
  for (const text of ["one", "two", "three"]) await admin.nc.jetstream().publish("other.x", text);
}

const messagesOfOther = async () => (await manager.streams.info("OTHER")).state.messages;
const streams = () => manager.streams.names().next();
const last = async (subject: string, stream = "KV_preferences") =>
  manager.streams.getMessage(stream, { last_by_subj: subject });

async function logIn(role: string): Promise<void> {
  const transport = ["browser", "room"].includes(role) ? "ws" : "tcp";
  alice = await environment.logIn(loginOf("alice", role), transport);
  bob = await environment.logIn(loginOf("bob", role), transport);
}

beforeEach(makeOther);
afterEach(async () => {
  for (const stream of ["KV_preferences", "ROOMS"]) {
    for await (const { name } of manager.consumers.list(stream)) await manager.consumers.delete(stream, name);
  }
  await alice?.close();
  await bob?.close();
});

/** The source of alice's consumers: her keys with `preferences`, or the messages of the lobby with `room`. */
const source = {
  preferences: () =>
    sourceOf(alice, "KV_preferences", "$KV.preferences.alice.>", "$KV.preferences.alice.note"),
  room: () => sourceOf(alice, "ROOMS", "rooms.lobby.*.chat", "rooms.lobby.alice.chat"),
};

/** Requests a consumer of her keys as alice. */
const consume = (config: object, name?: string) => consumeFrom(source.preferences(), config, name);

/** The stored messages of a subject, oldest first. */
async function stored(stream: string, subject: string) {
  const { first_seq, last_seq } = (await manager.streams.info(stream)).state;
  const all = [];
  for (let seq = first_seq; seq <= last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq }).catch(() => undefined);
    if (message?.subject === subject) all.push(message);
  }
  return all;
}

const put = (client: Client, key: string, value: string, more: Record<string, string> = {}) => {
  const set = headers();
  for (const [name, each] of Object.entries(more)) set.set(name, each);
  return client.nc.request(`$KV.preferences.${key}`, value, { headers: set, timeout: TIMEOUT });
};

/** Requests to which JetStream sends a response in JSON, which goes to any reply subject, with the role `preferences`. */
const requests: Record<string, (reply: string) => void> = {
  "the acknowledgement of a put": (reply) => alice.nc.publish("$KV.preferences.alice.x", "x", { reply }),
  "the refusal of a put": (reply) => {
    const wrong = headers();
    wrong.set("Nats-Expected-Stream", "ANOTHER");
    alice.nc.publish("$KV.preferences.alice.x", "x", { reply, headers: wrong });
  },
  "a new consumer": (reply) => {
    const description = '"} {}';
    const config = {
      filter_subject: "$KV.preferences.alice.>",
      deliver_subject: "_INBOX_alice.x",
      description,
    };
    const name = crypto.randomUUID();
    alice.nc.publish(
      `$JS.API.CONSUMER.CREATE.KV_preferences.${name}.$KV.preferences.alice.>`,
      JSON.stringify({ stream_name: "KV_preferences", config }),
      { reply },
    );
  },
  "a refused consumer": (reply) =>
    alice.nc.publish("$JS.API.CONSUMER.CREATE.KV_preferences.c.$KV.preferences.alice.>", "{", { reply }),
};

describe.each(Object.keys(requests))(
  "with preferences, %s that is sent to a subject of another user",
  (kind) => {
    const send = requests[kind] as (reply: string) => void;
    beforeEach(() => logIn("preferences"));

    test("overwrites a key of that user, with JSON and without headers", async () => {
      await put(bob, "bob.theme", "dark");
      send("$KV.preferences.bob.theme");
      await until(
        async () => (await last("$KV.preferences.bob.theme")).string() !== "dark",
        "the response",
        admin,
      );
      const forged = await last("$KV.preferences.bob.theme");
      expect(forged.string()).toStartWith('{"');
      expect([...forged.header.keys()]).toEqual([]);
    });

    test("arrives in that user's name in rooms, services and tasks, without headers and without a reply subject", async () => {
      const got: { subject: string; reply: string | undefined; headers: string[]; data: string }[] = [];
      const subjects = [
        "talk.lobby.bob.x",
        "orders.ask.bob.x",
        "deliver.tasks.bob",
        "done.tasks.bob",
        "tasks.bob.x",
      ];
      for (const subject of subjects) {
        admin.nc.subscribe(subject, {
          max: 1,
          callback: (_, message) =>
            got.push({
              subject: message.subject,
              reply: message.reply || undefined,
              headers: message.headers?.keys() ?? [],
              data: message.string().slice(0, 2),
            }),
        });
      }
      await admin.nc.flush();
      for (const subject of subjects) send(subject);
      await until(() => got.length === subjects.length, "the responses", admin);
      expect(got).toEqual(
        expect.arrayContaining(
          subjects.map((subject) => ({ subject, reply: undefined, headers: [], data: '{"' })),
        ),
      );
    });

    test("is not sent to JetStream's own subjects: the server refuses the request", async () => {
      const before = await readJetStream(manager);
      const seen = await admin.subscribe("$KV.>");
      const apiRequests = await admin.subscribe("$JS.>");
      const own = [
        ...apiCalls("OTHER", "worker", "other.x"),
        ...apiCalls("TASKS", "bob", "tasks.bob.>"),
        ...apiCalls("NEW", "c", "new"),
      ].map((call) => `$JS.API.${call}`);
      const subjects = [...own, ...reserved, "$JS.x"];
      for (const subject of subjects) send(subject);
      await flushAll(alice, admin);
      expect(alice.denials).toEqual(subjects.map(() => "reply"));
      expect([...seen.subjects, ...apiRequests.subjects]).toEqual([]);
      expect(await readJetStream(manager)).toEqual(before);
    });
  },
);

describe("with preferences, a user", () => {
  beforeEach(() => logIn("preferences"));

  test("can deliver its own keys, under their own subjects, to a subscription of another user without a wildcard", async () => {
    const literal = await bob.subscribe("_INBOX_bob.literal");
    const wildcard = await bob.subscribe("_INBOX_bob.*");
    await put(alice, "alice.note", "from alice");
    await consume({ deliver_subject: "_INBOX_bob.literal" });
    await until(() => literal.messages.includes("from alice"), "the message", bob);
    expect(new Set([...literal.subjects, ...wildcard.subjects])).toEqual(
      new Set(literal.subjects.filter((subject) => subject.startsWith("$KV.preferences.alice."))),
    );
  });

  test("can't create or update a consumer to deliver to JetStream or into the bucket itself", async () => {
    await put(alice, "alice.note", "");
    const { name } = await consume({ deliver_subject: "_INBOX_alice.w" });
    const before = await readJetStream(manager);
    const subjects = apiCalls("OTHER", "worker", "other.x").map((call) => `$JS.API.${call}`);
    for (const deliver_subject of [...subjects, ...reserved]) {
      for (const which of [undefined, name]) {
        expect([deliver_subject, (await consume({ deliver_subject }, which)).error]).toEqual([
          deliver_subject,
          expect.objectContaining({ description: "invalid push consumer deliver subject" }),
        ]);
      }
    }
    const cycle = await consume({ deliver_subject: "$KV.preferences.bob.theme" });
    expect(cycle.error?.description).toBe("consumer deliver subject forms a cycle");
    expect(await readJetStream(manager)).toEqual(before);
  });

  test("can change another user's consumer to its own keys if it knows the name and the deliver subject, and never gets the other keys", async () => {
    const received = await bob.subscribe("_INBOX_bob.w");
    const alicesMessages = await alice.subscribe("_INBOX_alice.>");
    const subject = "$JS.API.CONSUMER.CREATE.KV_preferences.bobs.$KV.preferences.bob.>";
    const config = {
      filter_subject: "$KV.preferences.bob.>",
      deliver_subject: "_INBOX_bob.w",
      ack_policy: "none",
    };
    await bob.nc.request(subject, JSON.stringify({ stream_name: "KV_preferences", config }), {
      timeout: TIMEOUT,
    });
    expect((await consume({ deliver_subject: "_INBOX_alice.w" }, "bobs")).error?.description).toBe(
      "consumer name already in use",
    );
    const { error, config: changed } = await consume({ deliver_subject: "_INBOX_bob.w" }, "bobs");
    expect([error, changed?.filter_subject]).toEqual([undefined, "$KV.preferences.alice.>"]);
    await put(bob, "bob.theme", "not received by bob");
    await put(alice, "alice.theme", "received by bob");
    await until(() => received.messages.includes("received by bob"), "alice's key", bob);
    expect(received.messages).not.toContain("not received by bob");
    await flushAll(bob, alice);
    expect(alicesMessages.messages).not.toContain("not received by bob");
  });

  test("can make another user's put count as a duplicate for a tenth of a second, if it knows the Nats-Msg-Id", async () => {
    let id = "";
    await until(
      async () => {
        id = crypto.randomUUID();
        const [, response] = await Promise.all([
          put(alice, "alice.x", "x", { "Nats-Msg-Id": id }),
          put(bob, "bob.theme", `lost ${id}`, { "Nats-Msg-Id": id }),
        ]);
        return response.json<{ duplicate?: boolean }>().duplicate === true;
      },
      "a duplicate",
      admin,
    );
    expect((await last("$KV.preferences.bob.theme")).string()).not.toBe(`lost ${id}`);
    await until(
      async () =>
        (await put(bob, "bob.theme", "kept", { "Nats-Msg-Id": id })).json<{ duplicate?: boolean }>()
          .duplicate !== true,
      "the window to pass",
      admin,
    );
    expect((await last("$KV.preferences.bob.theme")).string()).toBe("kept");
  });

  test("can learn whether a key of another user exists and when it was last written, but not its value", async () => {
    const { seq } = (await put(bob, "bob.theme", "a secret")).json<{ seq: number }>();
    const expected = {
      "Nats-Expected-Last-Subject-Sequence": "0",
      "Nats-Expected-Last-Subject-Sequence-Subject": "$KV.preferences.bob.theme",
    };
    const response = await put(alice, "alice.x", "x", expected);
    expect(response.json<{ error: { description: string } }>().error.description).toBe(
      `wrong last sequence: ${seq}`,
    );
    expect(response.string()).not.toContain("a secret");
  });
});

/** See deliver.ts. Possible with `preferences` and with `room`. */
describe.each(["preferences", "room"] as const)(
  "with %s, a consumer that has not noticed that the interest has gone",
  (role) => {
    const own = {
      preferences: { subject: "$KV.preferences.alice.note", others: "rooms.lobby.bob.chat", stream: "ROOMS" },
      room: {
        subject: "rooms.lobby.alice.chat",
        others: "$KV.preferences.bob.theme",
        stream: "KV_preferences",
      },
    }[role];
    beforeEach(() => logIn(role));

    test("can't deliver to JetStream's own subjects", async () => {
      const config = async () => (await manager.streams.info("OTHER")).config;
      const before = [await config(), await messagesOfOther()];
      const { error, name } = await redirect(source[role](), "$JS.API.STREAM.DELETE.OTHER", admin);
      expect(error?.description).toBe("invalid push consumer deliver subject");
      const info = () => manager.consumers.info(source[role]().stream, name).catch(() => undefined);
      // It would send a heartbeat, an empty message, for as long as it is active.
      await until(async () => (await info())?.push_bound !== true, "the consumer to stop", admin);
      expect([await config(), await messagesOfOther()]).toEqual(before);
    });

    test.each(["_INBOX_bob.x", "users.bob.x", "rooms.cellar.bob.typing", "talk.lobby.bob.x"])(
      "delivers to %s, also to wildcard subscriptions: heartbeats under that subject, messages under their own",
      async (target) => {
        const received: { subject: string; text: string; reply: string; code: number | undefined }[] = [];
        const prefix = target.slice(0, target.indexOf("."));
        admin.nc.subscribe(`${prefix}.>`, {
          callback: (_, message) =>
            received.push({
              subject: message.subject,
              text: message.string(),
              reply: message.reply?.split(".").slice(0, 3).join(".") ?? "",
              code: message.headers?.code,
            }),
        });
        await admin.nc.flush();
        await deliverTo(target, source[role](), admin);
        await source[role]().publish("chosen by alice");
        const reply = `$JS.ACK.${source[role]().stream}`;
        const message = { subject: own.subject, text: "chosen by alice", reply, code: expect.anything() };
        const heartbeat = { subject: target, text: "", reply: "", code: 100 };
        await until(
          () =>
            received.some(({ text }) => text === message.text) && received.some(({ text }) => text === ""),
          "both",
          admin,
        );
        expect(received).toContainEqual(message);
        expect(received).toContainEqual(heartbeat);
        expect(alice.denials).toEqual([]);
      },
    );

    test("fills another stream: with heartbeats under its subject, and messages under their own", async () => {
      await deliverTo("other.x", source[role](), admin);
      await source[role]().publish("chosen by alice");
      const texts = async (subject: string) => (await stored("OTHER", subject)).map((each) => each.string());
      await until(async () => (await texts("other.x")).length > 5, "empty messages", admin);
      expect((await texts("other.x")).slice(0, 3)).toEqual(["one", "two", "three"]);
      expect((await texts("other.x")).slice(3).every((text) => text === "")).toBe(true);
      expect(await texts(own.subject)).toContain("chosen by alice");
      const [forged] = (await stored("OTHER", own.subject)).slice(-1);
      expect(forged?.header.has("Nats-Msg-Id")).toBe(true);
    });

    test("replaces a message of another user by an empty one repeatedly, without the header of users' messages", async () => {
      const real = headers();
      real.set("Nats-Msg-Id", crypto.randomUUID());
      const write = () => admin.nc.request(own.others, "bob's", { headers: real, timeout: TIMEOUT });
      await write();
      await deliverTo(own.others, source[role](), admin);
      const latest = () => last(own.others, own.stream);
      for (const round of [1, 2]) {
        await until(async () => (await latest()).string() === "", `an empty value, ${round}`, admin);
        expect((await latest()).header.has("Nats-Msg-Id")).toBe(false);
        real.set("Nats-Msg-Id", crypto.randomUUID());
        await write();
      }
    });

    test("stays after its user has disconnected, for longer than its inactive_threshold", async () => {
      const seen = await admin.subscribe("users.bob.>");
      const name = await deliverTo("users.bob.x", source[role](), admin);
      await alice.close();
      const count = seen.subjects.length;
      const { config } = await manager.consumers.info(source[role]().stream, name);
      // One heartbeat each tenth of a second: three times its threshold.
      await until(() => seen.subjects.length > count + 30, "heartbeats", admin);
      expect(config).toMatchObject({ inactive_threshold: 1e9, idle_heartbeat: 1e8 });
      expect((await manager.consumers.info(source[role]().stream, name)).push_bound).toBe(true);
    });
  },
);

/** A subject that alice may publish to, with each role for untrusted users. */
const plain = {
  "own-subjects": "users.alice.x",
  "room-live": "talk.lobby.alice.x",
  "orders-client": "orders.ask.alice.x",
  tasks: "done.tasks.alice",
  browser: "users.alice.x",
  service: "services.alice.x",
};

describe.each(Object.entries(plain))("with %s, a user", (role, own) => {
  test("can't make the server send anything: its message arrives at its subject, whatever the reply subject is", async () => {
    await logIn(role);
    await using observer = await environment.observer();
    const before = await readJetStream(manager);
    const seen = await observer.subscribe(">");
    const open = [
      "tasks.bob.x",
      "deliver.tasks.bob",
      "done.tasks.bob",
      "$KV.preferences.bob.x",
      "users.bob.x",
    ];
    const closed = apiCalls("OTHER", "worker", "other.x").map((call) => `$JS.API.${call}`);
    for (const reply of [...open, ...closed]) alice.nc.publish(own, "", { reply });
    await flushAll(alice, observer);
    expect(seen.subjects).toEqual(open.map(() => own));
    expect(alice.denials).toEqual(closed.map(() => "reply"));
    expect(await readJetStream(manager)).toEqual(before);
  });
});

describe("with tasks-pull, a user that may pull and acknowledge", () => {
  beforeEach(() => logIn("tasks-pull"));

  const empty: Record<string, (reply: string) => void> = {
    "a request for a message when there is none": (reply) =>
      alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", '{"batch":1,"no_wait":true}', { reply }),
    "an invalid request": (reply) =>
      alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", '{"priority":{}}', { reply }),
    "a progress acknowledgement": (reply) =>
      alice.nc.publish("$JS.ACK.TASKS.alice.1.1.1.1.1", "+WPI", { reply }),
  };

  test.each(Object.keys(empty))("can empty a key of another user by %s", async (kind) => {
    await put(admin, "bob.theme", "dark");
    empty[kind]?.("$KV.preferences.bob.theme");
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "",
      "an empty value",
      admin,
    );
    expect(alice.denials).toEqual([]);
  });

  test.each(Object.keys(empty))(
    "can't use JetStream's own subjects as the reply subject of %s",
    async (kind) => {
      const before = await readJetStream(manager);
      const subjects = apiCalls("OTHER", "worker", "other.x").map((call) => `$JS.API.${call}`);
      for (const reply of [...subjects, ...reserved]) empty[kind]?.(reply);
      await flushAll(alice, admin);
      expect(alice.denials).toEqual([...subjects, ...reserved].map(() => "reply"));
      expect(await readJetStream(manager)).toEqual(before);
    },
  );

  test("can deliver its tasks to another user, under their own subject", async () => {
    await admin.nc.jetstream().publish("tasks.alice.x", "from a task");
    const received = await bob.subscribe("_INBOX_bob.literal");
    alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", "1", { reply: "_INBOX_bob.literal" });
    await until(() => received.messages.length > 0, "the task", bob);
    expect([received.subjects, received.messages]).toEqual([["tasks.alice.x"], ["from a task"]]);
  });

  test("can't pull, acknowledge, terminate or return the tasks of another user", async () => {
    await admin.nc.jetstream().publish("tasks.bob.x", "bob's");
    const bobs = await bob.nc.jetstream().consumers.get("TASKS", "bob");
    const task = await bobs.next();
    const before = await manager.consumers.info("TASKS", "bob");
    const reply =
      task?.info &&
      `$JS.ACK.TASKS.bob.1.${task.seq}.${task.info.deliverySequence}.${task.info.timestampNanos}.0`;
    for (const text of ["", "+ACK", "-NAK", "+TERM", "+WPI", "+NXT"]) alice.nc.publish(reply ?? "", text);
    // Through alice's consumer, with the sequences of bob's.
    for (const text of ["+ACK", "-NAK", "+TERM"]) {
      alice.nc.publish(`$JS.ACK.TASKS.alice.1.${task?.seq}.${task?.info.deliverySequence}.1.0`, text);
    }
    await flushAll(alice, bob);
    expect(await manager.consumers.info("TASKS", "bob")).toMatchObject({
      delivered: { consumer_seq: before.delivered.consumer_seq },
      ack_floor: { consumer_seq: before.ack_floor.consumer_seq },
      num_ack_pending: 1,
    });
    expect(alice.denials.filter((denied) => denied === `publish ${reply}`)).toHaveLength(6);
    expect(await task?.ackAck()).toBe(true);
  });
});

/** Bob's key is empty. The stream OTHER still exists, since the reply subject that would delete it was refused. */
async function expectOnlyKeyEmptied(): Promise<void> {
  await until(async () => (await last("$KV.preferences.bob.theme")).string() === "", "an empty value", admin);
  await flushAll(alice);
  await until(() => alice.denials.length > 0, "a refused reply subject", alice);
  expect(alice.denials).toEqual(["reply"]);
  expect(await streams()).toContain("OTHER");
}

describe("one permission or setting too many:", () => {
  afterEach(async () => {
    if ((await streams()).includes("KV_loose")) await manager.streams.delete("KV_loose");
  });

  test("DIRECT.GET of its own keys lets a user write any key, with any value", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get");
    const marked = headers();
    marked.set("Said", "chat");
    await alice.nc.request("$KV.loose.alice.body", "chosen by alice", { headers: marked, timeout: TIMEOUT });
    const get = (reply: string) =>
      alice.nc.publish("$JS.API.DIRECT.GET.KV_loose.$KV.loose.alice.body", "", { reply });
    get("$KV.preferences.bob.theme");
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "chosen by alice",
      "bob's key",
      admin,
    );
    expect((await last("$KV.preferences.bob.theme")).header.get("Said")).toBe("chat");
    expect(alice.denials).toEqual([]);
    const before = await readJetStream(manager);
    for (const reply of reserved) get(reply);
    await flushAll(alice, admin);
    expect(alice.denials).toEqual(reserved.map(() => "reply"));
    expect(await readJetStream(manager)).toEqual(before);
  });

  test("DIRECT.GET of its own keys lets a user empty any key, even one that may not write", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get-only");
    await put(admin, "bob.theme", "dark");
    const get = (reply: string) =>
      alice.nc.publish("$JS.API.DIRECT.GET.KV_loose.$KV.loose.alice.none", "", { reply });
    get("$JS.API.STREAM.DELETE.OTHER");
    get("$KV.preferences.bob.theme");
    await expectOnlyKeyEmptied();
  });

  test("a bucket with allow_msg_schedules lets a user that may write one key write any, with any value", async () => {
    const open = {
      name: "KV_loose",
      subjects: ["$KV.loose.>"],
      allow_msg_schedules: true,
      allow_msg_ttl: true,
    };
    await manager.streams.add({ ...open, allow_rollup_hdrs: true } as never);
    await logIn("with-rollup");
    const later = headers();
    later.set("Nats-Schedule", "@at 2020-01-01T00:00:00Z");
    later.set("Nats-Schedule-Target", "$KV.loose.bob.theme");
    const response = await alice.nc.request("$KV.loose.alice.x", "chosen by alice", {
      headers: later,
      timeout: TIMEOUT,
    });
    expect(response.json<{ error?: object }>().error).toBeUndefined();
    const written = () =>
      last("$KV.loose.bob.theme", "KV_loose").then(
        (message) => message.string(),
        () => "",
      );
    await until(async () => (await written()) === "chosen by alice", "bob's key", admin);
  });

  test("`responses` lets clients make a service publish anywhere but to JetStream", async () => {
    const service = await environment.logIn(loginOf("orders-1", "with-responses"), "tcp");
    service.nc.subscribe("orders.ask.*.>", { queue: "orders", callback: (_, message) => message.respond() });
    await service.nc.flush();
    await logIn("orders-client");
    await put(admin, "bob.theme", "dark");
    alice.nc.publish("orders.ask.alice.x", "", { reply: "$JS.API.STREAM.DELETE.OTHER" });
    alice.nc.publish("orders.ask.alice.x", "", { reply: "$KV.preferences.bob.theme" });
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "",
      "an empty value",
      admin,
    );
    await flushAll(alice, service);
    expect([alice.denials, service.denials]).toEqual([["reply"], []]);
    expect(await streams()).toContain("OTHER");
    await service.close();
  });

  test("without `responses`, the service can publish on its reply subjects only", async () => {
    const service = await environment.logIn(loginOf("orders-1", "orders-service"), "tcp");
    service.nc.subscribe("orders.ask.*.>", { queue: "orders", callback: (_, message) => message.respond() });
    await service.nc.flush();
    await logIn("orders-client");
    const received = await bob.subscribe("orders.reply.bob.x");
    const before = await readJetStream(manager);
    const targets = ["users.bob.x", "orders.ask.bob.x", "$KV.preferences.bob.x"];
    for (const reply of targets) alice.nc.publish("orders.ask.alice.x", "", { reply });
    // Bob's reply subjects are allowed too: the service itself must check this one.
    alice.nc.publish("orders.ask.alice.x", "", { reply: "orders.reply.bob.x" });
    await until(() => received.subjects.length > 0, "what the service sends to bob", bob);
    await flushAll(service, admin);
    expect(service.denials).toEqual(targets.map((reply) => `publish ${reply}`));
    expect(await readJetStream(manager)).toEqual(before);
    await service.close();
  });

  test("a stream with allow_atomic lets a user that may publish to it empty any key", async () => {
    await manager.streams.add({ name: "BATCHES", subjects: ["batches.>"], allow_atomic: true } as never);
    await logIn("with-batches");
    await put(admin, "bob.theme", "dark");
    for (const reply of ["$JS.API.STREAM.DELETE.OTHER", "$KV.preferences.bob.theme"]) {
      const first = headers();
      first.set("Nats-Batch-Id", crypto.randomUUID());
      first.set("Nats-Batch-Sequence", "1");
      alice.nc.publish("batches.alice.x", "x", { headers: first, reply });
    }
    await expectOnlyKeyEmptied();
    await manager.streams.delete("BATCHES");
  });

  test("a bucket with allow_rollup_hdrs can be erased by a user that may write one key", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_rollup_hdrs: true });
    await logIn("with-rollup");
    await bob.nc.request("$KV.loose.bob.theme", "dark", { timeout: TIMEOUT });
    const all = headers();
    all.set("Nats-Rollup", "all");
    await alice.nc.request("$KV.loose.alice.x", "x", { headers: all, timeout: TIMEOUT });
    await expect(last("$KV.loose.bob.theme", "KV_loose")).rejects.toThrow("no message found");
  });
});
