import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { AckPolicy, headers, type JetStreamManager } from "nats";
import { type Client, PATIENCE, settle } from "../mint/parts.ts";
import { calls, everything, makeRoleWorld, person, type RoleWorld, until } from "./recipes.ts";

/**
 * What NATS lets a person do to another although the role does not say so, because it checks the subject of a message
 * and neither its reply subject nor where a consumer delivers. docs/roles.md says the same in words.
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

let world: RoleWorld;
let admin: Client;
let manager: JetStreamManager;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  world = await makeRoleWorld(bad);
  ({ admin, manager } = world);
  for (const durable_name of ["alice", "bob"]) {
    const filter_subject = `tasks.${durable_name}.>`;
    await manager.consumers.add("TASKS", { durable_name, filter_subject, ack_policy: AckPolicy.Explicit });
  }
});
afterAll(async () => {
  await world?.admin.close();
  await world?.[Symbol.asyncDispose]();
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
  alice = await world.logIn(person("alice", role), "tcp");
  bob = await world.logIn(person("bob", role), "tcp");
}

beforeEach(makeOther);
afterEach(async () => {
  for await (const { name } of manager.consumers.list("KV_preferences")) {
    await manager.consumers.delete("KV_preferences", name);
  }
  await alice?.close();
  await bob?.close();
});

/** Asks as alice for a consumer of her keys. */
async function consume(config: object, name: string = crypto.randomUUID()) {
  const filter_subject = "$KV.preferences.alice.>";
  const request = {
    stream_name: "KV_preferences",
    config: { filter_subject, ack_policy: "none", ...config },
  };
  const subject = `$JS.API.CONSUMER.CREATE.KV_preferences.${name}.${filter_subject}`;
  const answer = await alice.nc.request(subject, JSON.stringify(request), { timeout: PATIENCE });
  return answer.json<{ error?: { description: string }; name: string; config: Record<string, unknown> }>();
}

const put = (client: Client, key: string, value: string, more: Record<string, string> = {}) => {
  const set = headers();
  for (const [name, each] of Object.entries(more)) set.set(name, each);
  return client.nc.request(`$KV.preferences.${key}`, value, { headers: set, timeout: PATIENCE });
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

    test("no call of JetStream's API takes for a request", async () => {
      const before = JSON.stringify(
        (await everything(manager)).filter((stream) => !isOf(stream, "KV_preferences")),
      );
      // A task of bob's gets through to him, while the replies name everything around it.
      for (const call of [
        ...calls("OTHER", "worker", "other.x"),
        ...calls("TASKS", "bob", "tasks.bob.>"),
        ...calls("NEW", "c", "new"),
      ]) {
        go(`$JS.API.${call}`);
      }
      const seen = await admin.subscribe("users.last");
      go("users.last");
      await until(() => seen.messages.length > 0, "the last answer", admin);
      // What the answers asked for is in line before this.
      await manager.streams.add({ name: "LAST", subjects: ["last"] });
      await manager.streams.delete("LAST");
      const after = JSON.stringify(
        (await everything(manager)).filter((stream) => !isOf(stream, "KV_preferences")),
      );
      expect(after).toBe(before);
    });
  },
);

const isOf = (stream: object, name: string) => (stream as { config: { name: string } }).config.name === name;

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

  test("does not have them sent into a stream or to a call that changes one", async () => {
    await put(alice, "alice.note", "");
    expect((await consume({ deliver_subject: "$KV.preferences.bob.theme" })).error?.description).toContain(
      "cycle",
    );
    const before = await messagesOfOther();
    for (const deliver_subject of [
      "$JS.API.STREAM.DELETE.OTHER",
      "$JS.API.STREAM.PURGE.OTHER",
      "$JS.API.DIRECT.GET.OTHER.other.x",
    ]) {
      const { name } = await consume({ deliver_subject });
      expect((await manager.consumers.info("KV_preferences", name)).push_bound).not.toBe(true);
    }
    expect([await streams(), await messagesOfOther()]).toEqual([expect.arrayContaining(["OTHER"]), before]);
  });

  test("makes any pull consumer whose name is known hand out its messages to nobody, and start again", async () => {
    await put(alice, "alice.number", "1");
    await consume({ deliver_subject: "$JS.API.CONSUMER.MSG.NEXT.OTHER.worker", ack_policy: "explicit" });
    const worker = () => manager.consumers.info("OTHER", "worker");
    await until(async () => (await worker()).num_ack_pending > 0, "a message to be gone", admin);

    await makeOther();
    const consumer = await admin.nc.jetstream().consumers.get("OTHER", "worker");
    while ((await worker()).ack_floor.stream_seq < 3) await (await consumer.next())?.ackAck();
    await put(alice, "alice.number", '{"seq":1}');
    await consume({ deliver_subject: "$JS.API.CONSUMER.RESET.OTHER.worker" });
    await until(async () => (await worker()).ack_floor.stream_seq < 3, "the consumer to start again", admin);
  });

  test("makes a consumer that pushes start again too, whose name is known", async () => {
    await manager.consumers.add("OTHER", {
      durable_name: "pushing",
      deliver_subject: "deliver.other",
      ack_policy: AckPolicy.Explicit,
    });
    const heard: string[] = [];
    admin.nc.subscribe("deliver.other", {
      callback: (_, message) => {
        heard.push(message.string());
        message.respond();
      },
    });
    const pushing = () => manager.consumers.info("OTHER", "pushing");
    await until(async () => (await pushing()).ack_floor.stream_seq === 3, "all to be done", admin);
    await put(alice, "alice.number", '{"seq":1}');
    await consume({ deliver_subject: "$JS.API.CONSUMER.RESET.OTHER.pushing" });
    await until(() => heard.length > 3, "what was done to come again", admin);
    expect(heard.slice(0, 4)).toEqual(["one", "two", "three", "one"]);
  });

  test("turns bob's consumer to her own keys if she knows its name and its deliver subject, and never gets his", async () => {
    const heard = await bob.subscribe("_INBOX_bob.w");
    const stolen = await alice.subscribe("_INBOX_alice.>");
    const subject = "$JS.API.CONSUMER.CREATE.KV_preferences.bobs.$KV.preferences.bob.>";
    const config = {
      filter_subject: "$KV.preferences.bob.>",
      deliver_subject: "_INBOX_bob.w",
      ack_policy: "none",
    };
    await bob.nc.request(subject, JSON.stringify({ stream_name: "KV_preferences", config }), {
      timeout: PATIENCE,
    });
    expect((await consume({ deliver_subject: "_INBOX_alice.w" }, "bobs")).error?.description).toBe(
      "consumer name already in use",
    );
    const { error, config: turned } = await consume({ deliver_subject: "_INBOX_bob.w" }, "bobs");
    expect([error, turned.filter_subject]).toEqual([undefined, "$KV.preferences.alice.>"]);
    await put(bob, "bob.theme", "not heard by bob");
    await put(alice, "alice.theme", "heard by bob");
    await until(() => heard.messages.includes("heard by bob"), "alice's key", bob);
    expect(heard.messages).not.toContain("not heard by bob");
    await settle(bob, alice);
    expect(stolen.messages).not.toContain("not heard by bob");
  });

  test("makes a put of bob's count as a repetition for a tenth of a second, if she knows its Nats-Msg-Id, and no longer", async () => {
    let id = "";
    await until(
      async () => {
        id = crypto.randomUUID();
        const [, answer] = await Promise.all([
          put(alice, "alice.x", "poison", { "Nats-Msg-Id": id }),
          put(bob, "bob.theme", `lost ${id}`, { "Nats-Msg-Id": id }),
        ]);
        return answer.json<{ duplicate?: boolean }>().duplicate === true;
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
    const answer = await put(alice, "alice.x", "x", expected);
    expect(answer.json<{ error: { description: string } }>().error.description).toBe(
      `wrong last sequence: ${seq}`,
    );
    expect(answer.string()).not.toContain("a secret");
  });
});

describe("with tasks, alice", () => {
  test("sends nothing by the server: nobody but the one who listens gets what she says", async () => {
    await logIn("tasks");
    const before = await everything(manager);
    const seen = await admin.subscribe(">");
    const targets = [
      "tasks.bob.x",
      "deliver.tasks.bob",
      "done.tasks.bob",
      "$KV.preferences.bob.x",
      ...calls("OTHER", "worker", "other.x").map((call) => `$JS.API.${call}`),
    ];
    for (const reply of targets) alice.nc.publish("done.tasks.alice", "", { reply });
    await settle(alice, admin);
    expect(new Set(seen.subjects)).toEqual(new Set(["done.tasks.alice"]));
    expect(await everything(manager)).toEqual(before);
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

  test.each(Object.keys(empty))(
    "deletes any stream, messages or consumer of the account by %s",
    async (way) => {
      const go = empty[way] as (reply: string) => void;
      go("$JS.API.STREAM.PURGE.OTHER");
      await until(async () => (await messagesOfOther()) === 0, "the messages to be gone", admin);
      go("$JS.API.CONSUMER.DELETE.OTHER.worker");
      await until(
        async () => (await manager.consumers.list("OTHER").next()).length === 0,
        "the consumer to be gone",
        admin,
      );
      go("$JS.API.STREAM.DELETE.OTHER");
      await until(async () => !(await streams()).includes("OTHER"), "the stream to be gone", admin);
      expect(alice.denials).toEqual([]);
    },
  );

  test("empties a key of bob's, and sends her tasks to him and into streams", async () => {
    await put(admin, "bob.theme", "dark");
    empty["asking in a wrong way"]?.("$KV.preferences.bob.theme");
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "",
      "an empty value",
      admin,
    );

    await admin.nc.jetstream().publish("tasks.alice.x", "from a task");
    const heard = await bob.subscribe("_INBOX_bob.literal");
    alice.nc.publish("$JS.API.CONSUMER.MSG.NEXT.TASKS.alice", "1", { reply: "_INBOX_bob.literal" });
    await until(() => heard.messages.length > 0, "the task", bob);
    expect([heard.subjects, heard.messages]).toEqual([["tasks.alice.x"], ["from a task"]]);
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
    await settle(alice, bob);
    expect(await manager.consumers.info("TASKS", "bob")).toMatchObject({
      delivered: { consumer_seq: before.delivered.consumer_seq },
      ack_floor: { consumer_seq: before.ack_floor.consumer_seq },
      num_ack_pending: 1,
    });
    expect(alice.denials.filter((denied) => denied === `publish ${reply}`)).toHaveLength(6);
    expect(await task?.ackAck()).toBe(true);
  });
});

describe("a grant too many:", () => {
  test("DIRECT.GET of one's own keys is every call of JetStream's API, and reads every stream", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get");
    const loot = await alice.subscribe("_INBOX_alice.loot");
    const call = async (reply: string, body: string) => {
      await alice.nc.request("$KV.loose.alice.body", body, { timeout: PATIENCE });
      alice.nc.publish("$JS.API.DIRECT.GET.KV_loose.$KV.loose.alice.body", "", { reply });
    };
    await call(
      "$JS.API.CONSUMER.CREATE.OTHER",
      JSON.stringify({
        stream_name: "OTHER",
        config: { deliver_subject: "_INBOX_alice.loot", ack_policy: "none" },
      }),
    );
    await until(() => loot.messages.length === 3, "all messages of a stream", alice);
    expect(loot.messages).toEqual(["one", "two", "three"]);
    await call("$JS.API.STREAM.CREATE.MINE", JSON.stringify({ name: "MINE", subjects: ["orders.>"] }));
    await until(async () => (await streams()).includes("MINE"), "a stream over everybody's orders", admin);
    await manager.streams.delete("MINE");
    await call("$KV.preferences.bob.theme", "chosen by alice");
    await until(
      async () => (await last("$KV.preferences.bob.theme")).string() === "chosen by alice",
      "bob's key",
      admin,
    );
    await call("$JS.API.STREAM.DELETE.OTHER", "");
    await until(async () => !(await streams()).includes("OTHER"), "the stream to be gone", admin);
    expect(alice.denials).toEqual([]);
    await manager.streams.delete("KV_loose");
  });

  test("DIRECT.GET of one's own keys deletes any stream, even for those who write nothing", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_direct: true });
    await logIn("with-direct-get-only");
    alice.nc.publish("$JS.API.DIRECT.GET.KV_loose.$KV.loose.alice.none", "", {
      reply: "$JS.API.STREAM.DELETE.OTHER",
    });
    await until(async () => !(await streams()).includes("OTHER"), "the stream to be gone", admin);
    await manager.streams.delete("KV_loose");
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
    const answer = await alice.nc.request("$KV.loose.alice.x", "chosen by alice", {
      headers: later,
      timeout: PATIENCE,
    });
    expect(answer.json<{ error?: object }>().error).toBeUndefined();
    const written = () =>
      last("$KV.loose.bob.theme", "KV_loose").then(
        (message) => message.string(),
        () => "",
      );
    await until(async () => (await written()) === "chosen by alice", "bob's key", admin);
    await manager.streams.delete("KV_loose");
  });

  test("`responses` makes an honest service do anything that its clients name", async () => {
    const service = await world.logIn(person("orders-1", "with-responses"), "tcp");
    service.nc.subscribe("orders.ask.*.>", { queue: "orders", callback: (_, message) => message.respond() });
    await service.nc.flush();
    await logIn("orders-client");
    alice.nc.publish("orders.ask.alice.x", "", { reply: "$JS.API.STREAM.DELETE.OTHER" });
    await until(async () => !(await streams()).includes("OTHER"), "the stream to be gone", admin);
    expect([...alice.denials, ...service.denials]).toEqual([]);
    await service.close();
  });

  test("without them, the server lets the service answer on its replies and nowhere else", async () => {
    const service = await world.logIn(person("orders-1", "orders-service"), "tcp");
    service.nc.subscribe("orders.ask.*.>", { queue: "orders", callback: (_, message) => message.respond() });
    await service.nc.flush();
    await logIn("orders-client");
    const heard = await bob.subscribe("orders.reply.bob.x");
    const before = await everything(manager);
    const targets = [
      "$JS.API.STREAM.DELETE.OTHER",
      "users.bob.x",
      "orders.ask.bob.x",
      "$KV.preferences.bob.x",
    ];
    for (const reply of targets) alice.nc.publish("orders.ask.alice.x", "", { reply });
    // Bob's replies are among them: this one the service itself must look at.
    alice.nc.publish("orders.ask.alice.x", "", { reply: "orders.reply.bob.x" });
    await until(() => heard.subjects.length > 0, "what the service sends to bob", bob);
    await settle(service, admin);
    expect(service.denials).toEqual(targets.map((reply) => `publish ${reply}`));
    expect(await everything(manager)).toEqual(before);
    await service.close();
  });

  test("a stream with allow_atomic deletes any stream for those who publish to it", async () => {
    await manager.streams.add({ name: "BATCHES", subjects: ["batches.>"], allow_atomic: true } as never);
    await logIn("with-batches");
    const first = headers();
    first.set("Nats-Batch-Id", crypto.randomUUID());
    first.set("Nats-Batch-Sequence", "1");
    alice.nc.publish("batches.alice.x", "x", { headers: first, reply: "$JS.API.STREAM.DELETE.OTHER" });
    await until(async () => !(await streams()).includes("OTHER"), "the stream to be gone", admin);
    await manager.streams.delete("BATCHES");
  });

  test("a bucket with allow_rollup_hdrs is erased by whoever may write one key", async () => {
    await manager.streams.add({ name: "KV_loose", subjects: ["$KV.loose.>"], allow_rollup_hdrs: true });
    await logIn("with-rollup");
    await bob.nc.request("$KV.loose.bob.theme", "dark", { timeout: PATIENCE });
    const all = headers();
    all.set("Nats-Rollup", "all");
    await alice.nc.request("$KV.loose.alice.x", "x", { headers: all, timeout: PATIENCE });
    await expect(last("$KV.loose.bob.theme", "KV_loose")).rejects.toThrow("no message found");
    await manager.streams.delete("KV_loose");
  });
});
