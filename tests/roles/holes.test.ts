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
 * What NATS lets a person do to another although the role does not say so, because it checks the subject of a message
 * and of its reply subject, and of where a consumer delivers, only that they are not JetStream's own. docs/roles.md says
 * the same in words.
 */

/** Roles that nobody should have, each a shipped one with one grant too many. */
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

/** A stream of somebody who is not in any of this, with a consumer, as each test finds it. */
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
  const way = ["browser", "room"].includes(role) ? "ws" : "tcp";
  alice = await environment.logIn(loginOf("alice", role), way);
  bob = await environment.logIn(loginOf("bob", role), way);
}

beforeEach(makeOther);
afterEach(async () => {
  for (const stream of ["KV_preferences", "ROOMS"]) {
    for await (const { name } of manager.consumers.list(stream)) await manager.consumers.delete(stream, name);
  }
  await alice?.close();
  await bob?.close();
});

/** Where alice's consumers are from: her keys with `preferences`, or what is said in the lobby with `room`. */
const source = {
  preferences: () =>
    sourceOf(alice, "KV_preferences", "$KV.preferences.alice.>", "$KV.preferences.alice.note"),
  room: () => sourceOf(alice, "ROOMS", "rooms.lobby.*.chat", "rooms.lobby.alice.chat"),
};

/** Asks as alice for a consumer of her keys. */
const consume = (config: object, name?: string) => consumeFrom(source.preferences(), config, name);

/** What is stored under a subject, oldest first. */
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

/** Ways to have JetStream send JSON of its own to any subject, with the role `preferences`. */
const answers: Record<string, (reply: string) => void> = {
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

describe.each(Object.keys(answers))(
  "with preferences, alice names somebody else's subject for the reply to %s, which",
  (way) => {
    const go = answers[way] as (reply: string) => void;
    beforeEach(() => logIn("preferences"));

    test("overwrites bob's key, with JSON and without headers", async () => {
      await put(bob, "bob.theme", "dark");
      go("$KV.preferences.bob.theme");
      await until(
        async () => (await last("$KV.preferences.bob.theme")).string() !== "dark",
        "the answer",
        admin,
      );
      const forged = await last("$KV.preferences.bob.theme");
      expect(forged.string()).toStartWith('{"');
      expect([...forged.header.keys()]).toEqual([]);
    });

    test("is said in bob's name in rooms, services and tasks, without headers and without a reply subject", async () => {
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
      for (const subject of subjects) go(subject);
      await until(() => got.length === subjects.length, "the answers", admin);
      expect(got).toEqual(
        expect.arrayContaining(
          subjects.map((subject) => ({ subject, reply: undefined, headers: [], data: '{"' })),
        ),
      );
    });

    test("is refused with the message, where that subject is JetStream's own", async () => {
      const before = await readJetStream(manager);
      const seen = await admin.subscribe("$KV.>");
      const asked = await admin.subscribe("$JS.>");
      const own = [
        ...apiCalls("OTHER", "worker", "other.x"),
        ...apiCalls("TASKS", "bob", "tasks.bob.>"),
        ...apiCalls("NEW", "c", "new"),
      ].map((call) => `$JS.API.${call}`);
      const subjects = [...own, ...reserved, "$JS.x"];
      for (const subject of subjects) go(subject);
      await flushAll(alice, admin);
      expect(alice.denials).toEqual(subjects.map(() => "reply"));
      expect([...seen.subjects, ...asked.subjects]).toEqual([]);
      expect(await readJetStream(manager)).toEqual(before);
    });
  },
);

describe("with preferences, alice", () => {
  beforeEach(() => logIn("preferences"));

  test("has her own keys sent to bob, under their own subject, where he listens to a subject without a wildcard", async () => {
    const literal = await bob.subscribe("_INBOX_bob.literal");
    const wildcard = await bob.subscribe("_INBOX_bob.*");
    await put(alice, "alice.note", "from alice");
    await consume({ deliver_subject: "_INBOX_bob.literal" });
    await until(() => literal.messages.includes("from alice"), "the message", bob);
    expect(new Set([...literal.subjects, ...wildcard.subjects])).toEqual(
      new Set(literal.subjects.filter((subject) => subject.startsWith("$KV.preferences.alice."))),
    );
  });

  test("is refused a consumer that delivers to JetStream, or into the bucket itself, new or changed", async () => {
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

  test("turns bob's consumer to her own keys if she knows its name and its deliver subject, and never gets his", async () => {
    const received = await bob.subscribe("_INBOX_bob.w");
    const stolen = await alice.subscribe("_INBOX_alice.>");
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
    const { error, config: turned } = await consume({ deliver_subject: "_INBOX_bob.w" }, "bobs");
    expect([error, turned?.filter_subject]).toEqual([undefined, "$KV.preferences.alice.>"]);
    await put(bob, "bob.theme", "not heard by bob");
    await put(alice, "alice.theme", "heard by bob");
    await until(() => received.messages.includes("heard by bob"), "alice's key", bob);
    expect(received.messages).not.toContain("not heard by bob");
    await flushAll(bob, alice);
    expect(stolen.messages).not.toContain("not heard by bob");
  });

  test("makes a put of bob's count as a repetition for a tenth of a second, if she knows its Nats-Msg-Id, and no longer", async () => {
    let id = "";
    await until(
      async () => {
        id = crypto.randomUUID();
        const [, response] = await Promise.all([
          put(alice, "alice.x", "poison", { "Nats-Msg-Id": id }),
          put(bob, "bob.theme", `lost ${id}`, { "Nats-Msg-Id": id }),
        ]);
        return response.json<{ duplicate?: boolean }>().duplicate === true;
      },
      "a repetition",
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

  test("learns whether a key of bob's is there, and when it was last written, not what it says", async () => {
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

/** See deliver.ts. With `preferences` as with `room`. */
describe.each(["preferences", "room"] as const)('with %s, a consumer that lost the last "gone"', (role) => {
  const own = {
    preferences: { subject: "$KV.preferences.alice.note", others: "rooms.lobby.bob.chat", stream: "ROOMS" },
    room: {
      subject: "rooms.lobby.alice.chat",
      others: "$KV.preferences.bob.theme",
      stream: "KV_preferences",
    },
  }[role];
  beforeEach(() => logIn(role));

  test("is refused JetStream's own subjects, so that the stream stays", async () => {
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
    "sends to %s, also where somebody listens with a wildcard: heartbeats under that subject, messages under their own",
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
        () => received.some(({ text }) => text === message.text) && received.some(({ text }) => text === ""),
        "both",
        admin,
      );
      expect(received).toContainEqual(message);
      expect(received).toContainEqual(heartbeat);
      expect(alice.denials).toEqual([]);
    },
  );

  test("fills another stream: heartbeats under somebody's subject, messages under their own", async () => {
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

  test("empties what is another's again and again, without the header of what is said", async () => {
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

  test("stays after alice has left, for longer than its inactive_threshold", async () => {
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
});

/** What each role for strangers may publish to, for alice. */
const plain = {
  "own-subjects": "users.alice.x",
  "room-live": "talk.lobby.alice.x",
  "orders-client": "orders.ask.alice.x",
  tasks: "done.tasks.alice",
  browser: "users.alice.x",
  service: "services.alice.x",
};

describe.each(Object.entries(plain))("with %s, alice", (role, own) => {
  test("has the server send nothing: her message arrives where she sent it, whatever reply she names", async () => {
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

describe("who may pull or acknowledge (tasks-pull)", () => {
  beforeEach(() => logIn("tasks-pull"));

  const empty: Record<string, (reply: string) => void> = {
    "asking for a message where there is none": (reply) =>
      alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", '{"batch":1,"no_wait":true}', { reply }),
    "asking in a wrong way": (reply) =>
      alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", '{"priority":{}}', { reply }),
    "saying that work goes on": (reply) =>
      alice.nc.publish("$JS.ACK.TASKS.alice.1.1.1.1.1", "+WPI", { reply }),
  };

  test.each(Object.keys(empty))("empties a key of bob's by %s", async (way) => {
    await put(admin, "bob.theme", "dark");
    empty[way]?.("$KV.preferences.bob.theme");
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "",
      "an empty value",
      admin,
    );
    expect(alice.denials).toEqual([]);
  });

  test.each(Object.keys(empty))("is refused JetStream's own subjects for the reply when %s", async (way) => {
    const before = await readJetStream(manager);
    const subjects = apiCalls("OTHER", "worker", "other.x").map((call) => `$JS.API.${call}`);
    for (const reply of [...subjects, ...reserved]) empty[way]?.(reply);
    await flushAll(alice, admin);
    expect(alice.denials).toEqual([...subjects, ...reserved].map(() => "reply"));
    expect(await readJetStream(manager)).toEqual(before);
  });

  test("sends her tasks to him, under their own subject", async () => {
    await admin.nc.jetstream().publish("tasks.alice.x", "from a task");
    const received = await bob.subscribe("_INBOX_bob.literal");
    alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", "1", { reply: "_INBOX_bob.literal" });
    await until(() => received.messages.length > 0, "the task", bob);
    expect([received.subjects, received.messages]).toEqual([["tasks.alice.x"], ["from a task"]]);
  });

  test("but does not take, acknowledge, end or put back the tasks of another", async () => {
    await admin.nc.jetstream().publish("tasks.bob.x", "bob's");
    const bobs = await bob.nc.jetstream().consumers.get("TASKS", "bob");
    const task = await bobs.next();
    const before = await manager.consumers.info("TASKS", "bob");
    const reply =
      task?.info &&
      `$JS.ACK.TASKS.bob.1.${task.seq}.${task.info.deliverySequence}.${task.info.timestampNanos}.0`;
    for (const text of ["", "+ACK", "-NAK", "+TERM", "+WPI", "+NXT"]) alice.nc.publish(reply ?? "", text);
    // Through her own consumer, with the numbers of his.
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

/** Bob's key is emptied; the stream OTHER stays, since the reply subject that would delete it was refused. */
async function expectEmptiedKeyAlone(): Promise<void> {
  await until(async () => (await last("$KV.preferences.bob.theme")).string() === "", "an empty value", admin);
  await flushAll(alice);
  await until(() => alice.denials.length > 0, "a refused reply subject", alice);
  expect(alice.denials).toEqual(["reply"]);
  expect(await streams()).toContain("OTHER");
}

describe("a grant too many:", () => {
  afterEach(async () => {
    if ((await streams()).includes("KV_loose")) await manager.streams.delete("KV_loose");
  });

  test("DIRECT.GET of one's own keys writes any key, in words of one's own", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get");
    const said = headers();
    said.set("Said", "chat");
    await alice.nc.request("$KV.loose.alice.body", "chosen by alice", { headers: said, timeout: TIMEOUT });
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

  test("DIRECT.GET of one's own keys empties any key, even for those who write nothing", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get-only");
    await put(admin, "bob.theme", "dark");
    const get = (reply: string) =>
      alice.nc.publish("$JS.API.DIRECT.GET.KV_loose.$KV.loose.alice.none", "", { reply });
    get("$JS.API.STREAM.DELETE.OTHER");
    get("$KV.preferences.bob.theme");
    await expectEmptiedKeyAlone();
  });

  test("a bucket with allow_msg_schedules lets whoever may write one key write any, in words of their own", async () => {
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

  test("`responses` makes an honest service write wherever its clients name, but to JetStream", async () => {
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

  test("without them, the server lets the service answer on its replies and nowhere else", async () => {
    const service = await environment.logIn(loginOf("orders-1", "orders-service"), "tcp");
    service.nc.subscribe("orders.ask.*.>", { queue: "orders", callback: (_, message) => message.respond() });
    await service.nc.flush();
    await logIn("orders-client");
    const received = await bob.subscribe("orders.reply.bob.x");
    const before = await readJetStream(manager);
    const targets = ["users.bob.x", "orders.ask.bob.x", "$KV.preferences.bob.x"];
    for (const reply of targets) alice.nc.publish("orders.ask.alice.x", "", { reply });
    // Bob's replies are among them: this one the service itself must look at.
    alice.nc.publish("orders.ask.alice.x", "", { reply: "orders.reply.bob.x" });
    await until(() => received.subjects.length > 0, "what the service sends to bob", bob);
    await flushAll(service, admin);
    expect(service.denials).toEqual(targets.map((reply) => `publish ${reply}`));
    expect(await readJetStream(manager)).toEqual(before);
    await service.close();
  });

  test("a stream with allow_atomic empties any key for those who publish to it", async () => {
    await manager.streams.add({ name: "BATCHES", subjects: ["batches.>"], allow_atomic: true } as never);
    await logIn("with-batches");
    await put(admin, "bob.theme", "dark");
    for (const reply of ["$JS.API.STREAM.DELETE.OTHER", "$KV.preferences.bob.theme"]) {
      const first = headers();
      first.set("Nats-Batch-Id", crypto.randomUUID());
      first.set("Nats-Batch-Sequence", "1");
      alice.nc.publish("batches.alice.x", "x", { headers: first, reply });
    }
    await expectEmptiedKeyAlone();
    await manager.streams.delete("BATCHES");
  });

  test("a bucket with allow_rollup_hdrs is erased by whoever may write one key", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_rollup_hdrs: true });
    await logIn("with-rollup");
    await bob.nc.request("$KV.loose.bob.theme", "dark", { timeout: TIMEOUT });
    const all = headers();
    all.set("Nats-Rollup", "all");
    await alice.nc.request("$KV.loose.alice.x", "x", { headers: all, timeout: TIMEOUT });
    await expect(last("$KV.loose.bob.theme", "KV_loose")).rejects.toThrow("no message found");
  });
});
