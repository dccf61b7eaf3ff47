import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { AckPolicy, headers } from "nats";
import { type Client, credentials, flushAll, requestCreds, TIMEOUT } from "../mint/parts.ts";
import {
  apiCalls,
  loginOf,
  makeRoleEnvironment,
  type RoleEnvironment,
  readJetStream,
  roleFiles,
  subjectsOf,
} from "./recipes.ts";

/** A user with one of the roles of docs/roles can do to another user of the role what the role allows, and no more. */

let environment: RoleEnvironment;

beforeAll(async () => {
  environment = await makeRoleEnvironment();
  const { manager, admin } = environment;
  await manager.streams.add({ name: "OTHER", subjects: ["other.*"], allow_direct: true });
  await manager.consumers.add("OTHER", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
  for (const user of ["alice", "bob"]) {
    const filter_subject = `tasks.${user}.>`;
    await manager.consumers.add("TASKS", {
      durable_name: user,
      filter_subject,
      ack_policy: AckPolicy.Explicit,
    });
    await admin.nc.jetstream().publish(`tasks.${user}.x`, `${user}'s task`);
    await admin.nc.jetstream().publish(`$KV.preferences.${user}.theme`, `${user}'s theme`);
  }
  await admin.nc.jetstream().publish("other.x", "another's");
});
afterAll(async () => {
  await environment?.admin.close();
  await environment?.[Symbol.asyncDispose]();
});

/** What alice may do according to docs/roles.md, as expressions for whole subjects. */
const roles: Record<string, { publish: RegExp; receive: (subject: string, queue?: string) => boolean }> = {
  "own-subjects": {
    publish: /^(users\.alice|_INBOX_alice)\..+$/,
    receive: (subject) => /^(users\.alice|_INBOX_alice)\..+$/.test(subject),
  },
  "room-live": {
    publish: /^talk\.lobby\.alice\..+$/,
    receive: (subject) => /^talk\.lobby\..+$/.test(subject),
  },
  "orders-client": {
    publish: /^orders\.ask\.alice\..+$/,
    receive: (subject) => /^orders\.reply\.alice\..+$/.test(subject),
  },
  "orders-service": {
    publish: /^orders\.reply\.[^.]+\..+$/,
    receive: (subject, queue) => queue === "orders" && /^orders\.ask\.[^.>]+\..+$/.test(subject),
  },
  dashboard: {
    publish: /^$/,
    receive: (subject) => /^status\.(?!internal(\.|$))/.test(subject),
  },
  preferences: {
    publish:
      /^(\$JS\.API\.CONSUMER\.CREATE\.KV_preferences\.[^.]+\.)?\$KV\.preferences\.alice\..+$|^\$JS\.FC\.KV_preferences\.[^.]+\.[^.]+$/,
    receive: (subject) => /^_INBOX_alice\..+$/.test(subject),
  },
  "catalog-reader": {
    publish:
      /^\$JS\.API\.(DIRECT\.GET\.KV_catalog|CONSUMER\.CREATE\.KV_catalog\.[^.]+)\.\$KV\.catalog\..+$|^\$JS\.FC\.KV_catalog\.[^.]+\.[^.]+$/,
    receive: (subject) => /^_INBOX_alice\..+$/.test(subject),
  },
  "catalog-writer": {
    publish:
      /^(\$JS\.API\.(DIRECT\.GET\.KV_catalog|CONSUMER\.CREATE\.KV_catalog\.[^.]+)\.)?\$KV\.catalog\..+$|^\$JS\.FC\.KV_catalog\.[^.]+\.[^.]+$/,
    receive: (subject) => /^_INBOX_alice\..+$/.test(subject),
  },
  "catalog-live": {
    publish: /^$/,
    receive: (subject) => /^catalog\..+$/.test(subject),
  },
  tasks: {
    publish: /^done\.tasks\.alice$/,
    receive: (subject) => subject === "deliver.tasks.alice",
  },
  "tasks-pull": {
    publish: /^\$JS\.(API\.CONSUMER\.(INFO|MSG\.NEXT)\.TASKS\.alice|ACK\.([^.]+\.[^.]+\.)?TASKS\.alice\..+)$/,
    receive: (subject) => /^_INBOX_alice\..+$/.test(subject),
  },
};

const publishes = [
  ...subjectsOf("bob"),
  ...subjectsOf("alice"),
  ...subjectsOf("*"),
  ...subjectsOf("al*"),
  ...subjectsOf(">"),
  ...subjectsOf("Alice"),
  ...subjectsOf("alice2"),
  // One token less, and one token more.
  ...subjectsOf("alice").map((subject) => subject.slice(0, subject.lastIndexOf("."))),
  ...subjectsOf("alice").map((subject) => `x.${subject}`),
  "done.tasks.alice.x",
  "deliver.tasks.alice.x",
  "talk.cellar.alice.x",
  "talk.*.alice.x",
  "talk.lobby.x",
  "rooms.lobby.alice.chat",
  "services.alice.x",
  "status.web",
  "status.internal.x",
  "_INBOX.x",
  "other.x",
  "$KV.other.alice.x",
  "$KV.catalog.x",
  "$KV.catalog",
  "catalog.x",
  "$KV.*.alice.x",
  "$O.preferences.C.x",
  "$SRV.PING",
  "$SYS.REQ.USER.INFO",
  "$SYS.REQ.ACCOUNT.PING",
  "$NRG.X",
  "$G",
  ">",
  "*",
  ...[
    ...apiCalls("OTHER", "worker", "other.x"),
    ...apiCalls("TASKS", "bob", "tasks.bob.>"),
    ...apiCalls("TASKS", "alice", "tasks.alice.>"),
    ...apiCalls("TASKS", "*", "tasks.alice.>"),
    ...apiCalls("KV_preferences", "c", "$KV.preferences.bob.>"),
    ...apiCalls("KV_preferences", "c", "$KV.preferences.*.>"),
    ...apiCalls("KV_preferences", "c", "$KV.preferences.>"),
    ...apiCalls("KV_preferences", "c", "$KV.preferences.alice"),
    ...apiCalls("KV_preferences", "c", ">"),
    ...apiCalls("KV_preferences", "c.d", "$KV.preferences.alice.>"),
    ...apiCalls("OTHER", "c", "$KV.preferences.alice.>"),
    ...apiCalls("KV_catalog", "c", "$KV.catalog.>"),
    ...apiCalls("KV_catalog", "c", "$KV.catalog.x"),
    ...apiCalls("KV_catalog", "c", "$KV.preferences.bob.>"),
    ...apiCalls("KV_catalog", "c", "catalog.>"),
    ...apiCalls("*", "*", "*"),
    ...apiCalls(">", "x", "x"),
    ...apiCalls("NEW", "c", "new"),
  ].flatMap((call) => [`$JS.API.${call}`, `$JS.hub.API.${call}`]),
  ...[
    "TASKS.bob",
    "TASKS.*",
    "*.bob",
    "KV_preferences.c",
    "hub.hash.TASKS.bob",
    "*.*.TASKS.bob",
    "x.TASKS.alice",
  ].flatMap((consumer) => [`$JS.ACK.${consumer}.1.1.1.1.1`, `$JS.ACK.${consumer}.1.1.1.1.1.x`]),
  "$JS.FC.TASKS.bob.x",
  "$JS.FC.KV_preferences.c",
  "$JS.FC.KV_preferences.c.x.y",
  "$JS.SNAPSHOT.ACK.TASKS.x",
  "$JS.SNAPSHOT.RESTORE.TASKS.x",
  "$JS.EVENT.ADVISORY.X",
];

const subscriptions = [
  ...["alice", "bob", "*", "Alice", "alice2"].flatMap((user) => [
    `users.${user}.>`,
    `_INBOX_${user}.>`,
    `talk.lobby.${user}.>`,
    `orders.ask.${user}.>`,
    `orders.reply.${user}.>`,
    `$KV.preferences.${user}.>`,
    `tasks.${user}.>`,
    `deliver.tasks.${user}`,
    `done.tasks.${user}`,
    `deliver.tasks.${user}.>`,
  ]),
  "users.bob.x",
  "users.>",
  "_INBOX.>",
  "_INBOX_bo*.>",
  "talk.lobby.>",
  "talk.cellar.>",
  "talk.*.>",
  "talk.>",
  "orders.ask.>",
  "orders.ask.*",
  "orders.*.bob.>",
  "orders.>",
  "status.>",
  "status.*",
  "status.internal.>",
  "status.internal.x",
  "status.internal.*",
  "$KV.>",
  "$KV.preferences.>",
  "$KV.catalog.>",
  "catalog",
  "catalog.>",
  "catalog.*.x",
  "tasks.>",
  "deliver.tasks.>",
  "deliver.>",
  "done.>",
  "other.x",
  "*.bob.x",
  "*.*.*",
  "*.>",
  "*",
  ">",
  "$JS.>",
  "$JS.API.>",
  "$JS.ACK.>",
  "$JS.FC.>",
  "$JS.EVENT.ADVISORY.>",
  "$SRV.>",
  "$SYS.>",
];

const published = [
  ...subjectsOf("bob"),
  "talk.cellar.bob.x",
  "status.internal.x",
  "_INBOX.x",
  "other.x",
  "$SRV.PING",
];

test("the table of this test has every role file", async () => {
  expect(Object.keys(roles).toSorted()).toEqual(Object.keys(roleFiles).toSorted());
});

test("with all permissions, everything that the tests below forbid takes effect and is observed", async () => {
  await using unrestricted = await environment.observer();
  const seen = await environment.admin.subscribe(">");
  // All but the subjects that the server denies every user.
  const literal = publishes.filter((subject) => !subject.startsWith("$NRG."));
  const before = await readJetStream(environment.manager);
  // A body that is not valid for any call of JetStream's API.
  for (const subject of literal) unrestricted.nc.publish(subject, "x");
  await flushAll(unrestricted, environment.admin);
  const received = new Set(seen.subjects);
  expect(literal.filter((subject) => !received.has(subject))).toEqual([]);
  expect(await readJetStream(environment.manager)).not.toEqual(before);
});

describe.each(Object.keys(roles))("a user with the role %s", (role) => {
  const may = roles[role] as (typeof roles)[string];

  test("can publish to the subjects of the role only", async () => {
    await using observer = await environment.observer();
    await using alice = await environment.logIn(loginOf("alice", role), "tcp");
    const forbidden = publishes.filter((subject) => !may.publish.test(subject));
    expect(forbidden.length).toBeGreaterThan(1000);
    const before = await readJetStream(environment.manager);
    const seen = await observer.subscribe(">");
    for (const subject of forbidden) alice.nc.publish(subject, "");
    await flushAll(alice, observer);
    // The server publishes advisories about earlier API requests.
    expect(seen.subjects.filter((subject) => subject !== "$JS.EVENT.ADVISORY.API")).toEqual([]);
    expect(alice.denials).toEqual(forbidden.map((subject) => `publish ${subject}`));
    expect(await readJetStream(environment.manager)).toEqual(before);
  });

  test.each([undefined, "orders", "workers", "*", ">"])(
    "can subscribe to the subjects of the role only (queue group %p)",
    async (queue) => {
      await using alice = await environment.logIn(loginOf("alice", role), "tcp");
      const received = [];
      for (const subject of subscriptions) {
        if (!may.receive(subject, queue))
          received.push({ subject, ...(await alice.subscribe(subject, queue)) });
      }
      expect(received.length).toBeGreaterThan(subscriptions.length - 15);
      for (const subject of published) environment.admin.nc.publish(subject, "for bob");
      await flushAll(environment.admin, alice);
      for (const each of received)
        expect(each).toEqual({ subject: each.subject, messages: [], subjects: [], denied: true });
    },
  );

  test("can't have a trace sent to another user", async () => {
    await using alice = await environment.logIn(loginOf("alice", role), "tcp");
    await using bob = await environment.logIn(loginOf("bob", role), "tcp");
    const seen = await environment.admin.subscribe("users.bob.trace");
    const own = {
      "own-subjects": "users.alice.x",
      "room-live": "talk.lobby.alice.x",
      "orders-client": "orders.ask.alice.x",
      "orders-service": "orders.reply.alice.x",
      preferences: "$JS.FC.KV_preferences.c.x",
      "catalog-reader": "$JS.FC.KV_catalog.c.x",
      "catalog-writer": "$KV.catalog.x",
      tasks: "done.tasks.alice",
      "tasks-pull": "$JS.API.CONSUMER.INFO.TASKS.alice",
    }[role];
    for (const name of ["Nats-Trace-Dest", "nats-trace-dest", "traceparent"]) {
      const traced = headers();
      traced.set(name, "users.bob.trace");
      if (own) alice.nc.publish(own, "", { headers: traced });
    }
    await flushAll(alice, bob);
    const traced = headers();
    traced.set("Nats-Trace-Dest", "users.bob.trace");
    // The same by a client with the permission, which is processed later.
    environment.admin.nc.publish(own ?? "status.x", "", { headers: traced });
    while (seen.messages.length === 0) await flushAll(environment.admin);
    expect(seen.messages).toHaveLength(1);
    expect(alice.denials).toEqual(own ? ["publish users.bob.trace"] : []);
  });
});

describe("a role with a tag", () => {
  test("allows nothing without the tag", async () => {
    const { permissions } = await credentials(environment.app, { user: "alice", role: "room-live" });
    await using alice = await environment.logIn({ user: "alice", role: "room-live" }, "tcp");
    const received = await alice.subscribe("talk.lobby.>");
    const all = await alice.subscribe(">");
    const seen = await environment.admin.subscribe("talk.>");
    alice.nc.publish("talk.lobby.alice.x");
    alice.nc.publish("users.bob.x");
    await flushAll(alice, environment.admin);
    expect([received.denied, all.denied]).toEqual([true, true]);
    expect(seen.subjects).toEqual([]);
    expect(permissions).toEqual({ pub: { deny: [">"] }, sub: { deny: [">"] } });
  });

  test("is not issued for a room with an invalid name", async () => {
    for (const room of ["*", ">", "lobby.alice", "", "a b", "{{name()}}"]) {
      const response = await requestCreds(environment.app, {
        user: "alice",
        role: "room-live",
        tags: { room },
      });
      expect([room, response.status]).toEqual([room, 422]);
    }
  });
});

describe("a dashboard", () => {
  test.each([undefined, "workers"])(
    "does not receive a denied subject through a wider subscription (queue group %p)",
    async (queue) => {
      await using alice = await environment.logIn(loginOf("alice", "dashboard"), "tcp");
      const received = [];
      for (const [index, subject] of ["status.>", "status.*.x", "status.*.*"].entries())
        received.push(await alice.subscribe(subject, queue && `${queue}${index}`));
      environment.admin.nc.publish("status.internal.x", "a secret");
      environment.admin.nc.publish("status.web.x", "up");
      await flushAll(environment.admin, alice);
      expect(alice.denials).toEqual([]);
      expect(received.map(({ subjects }) => subjects)).toEqual(Array(3).fill(["status.web.x"]));
    },
  );

  test("can't send a request, and stays connected", async () => {
    await using alice = await environment.logIn(loginOf("alice", "dashboard"), "tcp");
    const response = alice.nc.request("status.web", "", {
      noMux: true,
      reply: "status.alice",
      timeout: TIMEOUT,
    });
    await expect(response).rejects.toMatchObject({ code: "PERMISSIONS_VIOLATION" });
    await alice.nc.flush();
    expect(alice.nc.isClosed()).toBe(false);
  });
});

describe("a user with keys in the bucket preferences", () => {
  let alice: Client;
  let bob: Client;

  beforeEach(async () => {
    alice = await environment.logIn(loginOf("alice", "preferences"), "tcp");
    bob = await environment.logIn(loginOf("bob", "preferences"), "tcp");
    return async () => {
      await alice.close();
      await bob.close();
    };
  });

  /** The response to a request for a consumer; its name and filter are those in the subject. */
  async function consume(body: string | object, name: string = crypto.randomUUID()) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const subject = `$JS.API.CONSUMER.CREATE.KV_preferences.${name}.$KV.preferences.alice.>`;
    const response = await alice.nc.request(subject, text, { timeout: TIMEOUT });
    return response.json<{
      error?: { description: string };
      name: string;
      config: Record<string, unknown>;
    }>();
  }

  const request = (config: object = {}, more: object = {}) => ({
    stream_name: "KV_preferences",
    config: {
      filter_subject: "$KV.preferences.alice.>",
      ack_policy: "none",
      deliver_subject: "_INBOX_alice.keys",
      ...config,
    },
    ...more,
  });

  test("gets the consumer that the role is made for", async () => {
    const received = await alice.subscribe("_INBOX_alice.keys");
    const { error } = await consume(request());
    expect(error).toBeUndefined();
    while (received.messages.length === 0) await flushAll(environment.admin, alice);
    expect(received.messages).toContain("alice's theme");
  });

  test("gets no consumer of the keys of another user, in any form of request", async () => {
    const received = await alice.subscribe("_INBOX_alice.>");
    const before = (await readJetStream(environment.manager)).map(
      (stream) => (stream as { consumers: object[] }).consumers.length,
    );
    const good = '"filter_subject":"$KV.preferences.alice.>","deliver_subject":"_INBOX_alice.keys"';
    const bad = '"filter_subject":"$KV.preferences.bob.>"';
    for (const body of [
      request({ filter_subject: "$KV.preferences.bob.>" }),
      request({ filter_subject: "$KV.preferences.*.>" }),
      request({ filter_subject: "$KV.preferences.>" }),
      request({ filter_subject: ">" }),
      request({ filter_subject: "" }),
      request({ filter_subject: undefined }),
      request({ filter_subject: undefined, filter_subjects: ["$KV.preferences.bob.>"] }),
      request({
        filter_subject: undefined,
        filter_subjects: ["$KV.preferences.alice.>", "$KV.preferences.bob.>"],
      }),
      request({ filter_subjects: ["$KV.preferences.bob.>"] }),
      request({}, { stream_name: "OTHER" }),
      request({}, { stream_name: "TASKS" }),
      request({}, { stream_name: "" }),
      request({ durable_name: "another" }),
      `{"stream_name":"KV_preferences","config":{${good},${bad}}}`,
      `{"stream_name":"KV_preferences","config":{${good},${bad.toUpperCase()}}}`,
      `{"stream_name":"KV_preferences","config":{${good}},"config":{${bad}}}`,
      `{"stream_name":"KV_preferences","config":{${good}},"config":{"filter_subjects":["$KV.preferences.>"]}}`,
      `{"stream_name":"KV_preferences","stream_name":"OTHER","config":{${good}}}`,
      `{"stream_name":"KV_preferences","config":{${good}}} {"config":{${bad}}}`,
      "",
      "{}",
    ]) {
      expect([body, (await consume(body)).error?.description]).toEqual([body, expect.any(String)]);
    }
    await flushAll(environment.admin, alice);
    expect(received.messages.filter((text) => text.startsWith("bob"))).toEqual([]);
    expect(
      (await readJetStream(environment.manager)).map(
        (stream) => (stream as { consumers: object[] }).consumers.length,
      ),
    ).toEqual(before);
  });

  test("gets no consumer with a long inactive threshold", async () => {
    expect((await consume(request({ inactive_threshold: 301e9 }))).error?.description).toContain(
      "inactive threshold",
    );
    const { config, name } = await consume(request({ durable_name: "mine" }), "mine");
    expect(config.inactive_threshold).toBe(300e9);
    await environment.manager.consumers.delete("KV_preferences", name);
  });

  test("can't delete, expire, count or schedule the keys of another user by headers", async () => {
    await bob.nc.request("$KV.preferences.bob.colour", "blue", { timeout: TIMEOUT });
    const before = await readJetStream(environment.manager);
    for (const set of [
      { "Nats-Rollup": "all" },
      { "Nats-Rollup": "sub" },
      { "Nats-TTL": "1s" },
      { "Nats-Incr": "+1" },
      { "Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "$KV.preferences.bob.colour" },
      { "Nats-Schedule": "@at 2020-01-01T00:00:00Z", "Nats-Schedule-Target": "$KV.preferences.bob.colour" },
      { "Nats-Batch-Id": "x", "Nats-Batch-Sequence": "1" },
      { "Nats-Expected-Stream": "OTHER" },
      { "Nats-Stream-Source": "OTHER 1 > > other.x" },
    ]) {
      const all = headers();
      for (const [name, value] of Object.entries(set)) all.set(name, value);
      const response = await alice.nc.request("$KV.preferences.alice.x", "x", {
        headers: all,
        timeout: TIMEOUT,
      });
      expect([set, response.json<{ error?: object }>().error]).toEqual([set, expect.anything()]);
    }
    expect(await readJetStream(environment.manager)).toEqual(before);
  });

  test("has keys that can't be purged, even with all permissions", async () => {
    await expect(environment.manager.streams.purge("KV_preferences")).rejects.toThrow("purge not permitted");
    await expect(environment.manager.streams.deleteMessage("KV_preferences", 1)).rejects.toThrow(
      "delete not permitted",
    );
    await expect(environment.manager.streams.purge("TASKS")).rejects.toThrow("purge not permitted");
  });
});
