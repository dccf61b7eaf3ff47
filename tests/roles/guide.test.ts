import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { jwtAuthenticator, wsconnect } from "@nats-io/nats-core";
import { AckPolicy, headers } from "nats";
import { readLocalConfig } from "../../src/config/local.ts";
import { blocks, codeSpans, links, rows, section } from "../docs/markdown.ts";
import { bytes, type Client, credentials, flushAll, logIn, TIMEOUT, within } from "../mint/parts.ts";
import { deliverTo, sourceOf } from "./deliver.ts";
import {
  apiCalls,
  loginOf,
  makeRoleEnvironment,
  type RoleEnvironment,
  readJetStream,
  roleFiles,
  streamFiles,
  until,
} from "./recipes.ts";

/** docs/role-examples.md shows the role files as they are, and its code works with the permissions of these roles only. */

const { projectDir } = readLocalConfig();
const guide = readFileSync(join(projectDir, "docs/role-examples.md"), "utf8");
const reference = readFileSync(join(projectDir, "docs/roles.md"), "utf8");

let environment: RoleEnvironment;
/** The directory of the programs, with the packages that they import. */
let dir: string;

beforeAll(async () => {
  environment = await makeRoleEnvironment();
  dir = mkdtempSync(join(tmpdir(), "roles-"));
  symlinkSync(join(projectDir, "node_modules"), join(dir, "node_modules"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await environment?.admin.close();
  await environment?.[Symbol.asyncDispose]();
});

/** The code under a heading, one text for each block. */
const code = (heading: string) =>
  blocks(section(guide, heading))
    .filter(({ language }) => language === "ts")
    .map(({ text }) => text);

let runs = 0;

/** Runs a block with these names in scope. Some blocks never end; their tests check what they show. */
async function start(
  text: string | undefined,
  scope: Record<string, unknown>,
): Promise<{ ends: Promise<void> }> {
  const lines = (text ?? "").split("\n");
  const isImport = (line: string) => line.startsWith("import ");
  const names = Object.keys(scope).join(", ");
  const file = join(dir, `block-${++runs}.ts`);
  writeFileSync(
    file,
    `${lines.filter(isImport).join("\n")}
export async function run({ ${names} }) {
${lines.filter((line) => !isImport(line)).join("\n")}
}`,
  );
  const { run } = (await import(file)) as { run(scope: object): Promise<void> };
  return { ends: run(scope) };
}

/** Runs a block to its end. */
const run = async (text: string | undefined, scope: Record<string, unknown>) =>
  within((await start(text, scope)).ends, "the block to end");

/** The function `show` that blocks use, and what they have shown. */
function screen() {
  const shown: string[] = [];
  return { shown, show: (...what: unknown[]) => void shown.push(what.join(" ")) };
}

/** A connection with a role, and with another inbox prefix than that of the credential. */
async function logInWithInbox(user: string, role: string, inbox_prefix: string): Promise<Client> {
  return logIn(
    { ...(await credentials(environment.app, loginOf(user, role))), inbox_prefix },
    environment.url("tcp"),
  );
}

test("the guide shows every role and stream file as it is, and links to it", () => {
  const shown = blocks(guide)
    .filter(({ language }) => language === "json")
    .map(({ text }) => text);
  expect(shown.toSorted()).toEqual([...Object.values(roleFiles), ...Object.values(streamFiles)].toSorted());
  const files = [
    ...Object.keys(roleFiles).map((name) => `roles/${name}.json`),
    ...Object.keys(streamFiles).map((name) => `roles/streams/${name}.json`),
  ];
  expect(links(guide)).toEqual(expect.arrayContaining(files));
});

const UNTRUSTED = "untrusted users";
const MUTUALLY_TRUSTING = "users who trust each other";

/** The kind of users of each role, according to the tables of the guides. */
const usersOf: Record<string, string> = {
  ...Object.fromEntries(
    rows(guide, "you want").map(([, role = "", , users = ""]) => [role.replaceAll("`", ""), users]),
  ),
  ...Object.fromEntries(
    rows(reference, "role").map(([role = "", users = ""]) => [codeSpans(role)[0] ?? role, users]),
  ),
};

test("the guide names the kind of users of each role in its section and in the table", () => {
  const shipped = ["backend", "browser", "page", "room", "service"];
  expect(Object.keys(usersOf).toSorted()).toEqual([...Object.keys(roleFiles), ...shipped].toSorted());
  for (const [role, text] of Object.entries(roleFiles)) {
    const heading =
      guide
        .slice(0, guide.indexOf(text))
        .match(/^## .*$/gm)
        ?.at(-1) ?? "";
    expect([role, section(guide, heading)]).toEqual([role, expect.stringContaining(usersOf[role] ?? "?")]);
  }
  expect(shipped.map((role) => usersOf[role])).toEqual([
    MUTUALLY_TRUSTING,
    UNTRUSTED,
    UNTRUSTED,
    MUTUALLY_TRUSTING,
    UNTRUSTED,
  ]);
  expect(section(reference, "## Rooms")).toContain(`The role is for ${MUTUALLY_TRUSTING}.`);
});

test("roles for untrusted users have no JetStream subjects and no stored subjects", () => {
  const kept = Object.values(streamFiles).flatMap((text) => JSON.parse(text).subjects as string[]);
  const first = (subject: string) => subject.split(".")[0];
  for (const [role, users] of Object.entries(usersOf)) {
    const file = join(projectDir, role in roleFiles ? "docs/roles" : "fs/nats-init/roles", `${role}.json`);
    const { pub, responses } = JSON.parse(readFileSync(file, "utf8"));
    const allowed: string[] = pub.allow ?? [];
    const more = allowed.filter(
      (subject) => subject.startsWith("$") || kept.some((each) => first(each) === first(subject)),
    );
    if (users === UNTRUSTED) expect([role, more, responses]).toEqual([role, [], undefined]);
    else if (!["orders-service", "backend"].includes(role)) expect([role, more]).not.toEqual([role, []]);
  }
});

test("the reference lists every call of JetStream's API", () => {
  const listed = rows(reference, "`$JS.API.`").map(([call = ""]) => call.replaceAll("`", ""));
  const all = apiCalls("<stream>", "<consumer>", "<subject>").map((call) =>
    call.replace(/\.A(?=\.|$)/, ".<account>"),
  );
  expect(listed.toSorted()).toEqual(all.toSorted());
});

test("the list of calls has only calls that the server knows", async () => {
  // A single server does not respond to calls of a cluster, nor to an account's calls for the system account.
  const silent = /PEER|CANCEL_MOVE|STEPDOWN|META|SERVER|ACCOUNT|DIRECT|MSG\.NEXT|RESET|RESTORE|SNAPSHOT/;
  for (const call of apiCalls("NONE", "none", "none").filter((each) => !silent.test(each))) {
    // The server does not respond to an unknown call.
    const response = await environment.admin.nc.request(`$JS.API.${call}`, "{}", { timeout: TIMEOUT });
    expect([call, response.json()]).toEqual([call, expect.objectContaining({ type: expect.any(String) })]);
  }
});

test("own subjects: a user receives what it publishes", async () => {
  await using alice = await environment.logIn(loginOf("alice", "own-subjects"), "tcp");
  const { shown, show } = screen();
  await run(code("## Own subjects")[0], { nc: alice.nc, show });
  await flushAll(alice);
  expect(shown).toEqual(["users.alice.cart 2 apples"]);
  expect(alice.denials).toEqual([]);
});

test("a room: messages are shown with their sender, and messages that JetStream was made to send are not shown", async () => {
  await using alice = await environment.logIn(loginOf("alice", "room-live"), "tcp");
  await using mallory = await environment.logIn(loginOf("mallory", "preferences"), "tcp");
  const { shown, show } = screen();
  await run(code("## A room")[0], { nc: alice.nc, show });
  const forged = await environment.admin.subscribe("talk.lobby.bob.chat");
  mallory.nc.publish("$KV.preferences.mallory.x", "x", { reply: "talk.lobby.bob.chat" });
  await until(() => forged.messages.length > 0, "the forged message", environment.admin);
  // By a consumer: mallory's own message, with the header, and an empty one in bob's name.
  const own = sourceOf(mallory, "KV_preferences", "$KV.preferences.mallory.>", "$KV.preferences.mallory.x");
  const source = { ...own, inbox: "_INBOX_mallory" };
  const received = await alice.subscribe("talk.lobby.>");
  const name = await deliverTo("talk.lobby.bob.typing", source, environment.admin);
  await source.publish("as if from bob", { Said: "chat" });
  const empty = "talk.lobby.bob.typing";
  await until(
    () => received.messages.includes("as if from bob") && received.subjects.includes(empty),
    "both",
    environment.admin,
  );
  await flushAll(environment.admin, alice);
  await environment.manager.consumers.delete("KV_preferences", name);
  expect(shown).toEqual(["alice hello"]);
  expect([...alice.denials, ...mallory.denials]).toEqual([]);
});

test("a service: each request gets one reply, which only its sender receives", async () => {
  const [serve, request] = code("## A service and its clients");
  await using first = await environment.logIn(loginOf("orders-1", "orders-service"), "tcp");
  await using second = await environment.logIn(loginOf("orders-2", "orders-service"), "tcp");
  for (const service of [first, second]) {
    await run(serve, { service: service.nc });
    await service.nc.flush();
  }
  await using alice = await logInWithInbox("alice", "orders-client", "orders.reply.alice");
  await using bob = await logInWithInbox("bob", "orders-client", "orders.reply.bob");
  await using mallory = await environment.logIn(loginOf("mallory", "preferences"), "tcp");
  const replies = await environment.admin.subscribe("orders.reply.>");
  const toBob = await bob.subscribe("orders.reply.bob.>");
  const { shown, show } = screen();
  for (const reply of ["orders.reply.bob.x", "orders.reply.x", "orders.reply.bobby.x", "_INBOX_bob.x"]) {
    alice.nc.publish("orders.ask.alice.list", "", { reply });
  }
  // A message that looks like a request of bob, and is JetStream's response to mallory.
  const forged = await environment.admin.subscribe("orders.ask.bob.list");
  mallory.nc.publish("$KV.preferences.mallory.x", "x", { reply: "orders.ask.bob.list" });
  await until(() => forged.messages.length > 0, "the forged request", environment.admin);
  await run(request, { nc: alice.nc, show });
  await flushAll(first, second, environment.admin, bob);
  expect(shown).toEqual(["nothing on order for alice"]);
  expect(replies.messages).toEqual(["nothing on order for alice"]);
  expect(toBob.messages).toEqual([]);
  for (const client of [first, second, alice, bob]) expect(client.denials).toEqual([]);
});

test("a dashboard: it receives the subjects that it may", async () => {
  await using alice = await environment.logIn(loginOf("alice", "dashboard"), "tcp");
  const { shown, show } = screen();
  await run(code("## A dashboard")[0], { nc: alice.nc, show });
  await alice.nc.flush();
  environment.admin.nc.publish("status.internal.db", "a secret");
  environment.admin.nc.publish("status.web", "up");
  await flushAll(environment.admin, alice);
  expect(shown).toEqual(["status.web up"]);
  expect(alice.denials).toEqual([]);
});

/** A connection of `@nats-io/nats-core`, and its permission errors. */
async function coreClient(user: string, role: string) {
  const { jwt, seed = "", inbox_prefix = "" } = await credentials(environment.app, loginOf(user, role));
  const nc = await wsconnect({
    servers: environment.url("ws"),
    authenticator: jwtAuthenticator(jwt, bytes(seed)),
    inboxPrefix: inbox_prefix,
  });
  const denials: string[] = [];
  void (async () => {
    for await (const status of nc.status()) if (status.type === "error") denials.push(status.error.message);
  })();
  return { nc, denials, [Symbol.asyncDispose]: () => nc.close() };
}

test("keys: a user watches the values that it puts, and forged values are left out", async () => {
  await using alice = await coreClient("alice", "preferences");
  await using mallory = await environment.logIn(loginOf("mallory", "preferences"), "tcp");
  const { shown, show } = screen();
  const { ends } = await start(code("## A user's own keys")[0], { nc: alice.nc, show });
  await until(() => shown.length === 1, "the first key", environment.admin);
  const seen = await environment.admin.subscribe("$KV.preferences.alice.theme");
  mallory.nc.publish("$KV.preferences.mallory.x", "x", { reply: "$KV.preferences.alice.theme" });
  await until(() => seen.messages.length > 0, "the forged value", environment.admin);
  const preferences = await new Kvm(jetstream(alice.nc)).open("preferences");
  await preferences.put("alice.last", "=of all");
  await until(() => shown.length === 2, "the last key", environment.admin);
  expect(shown).toEqual(["alice.theme dark", "alice.last of all"]);
  expect(alice.denials).toEqual([]);
  await alice.nc.close();
  await within(ends, "the watch to end");
});

test("keys: put, create, update, delete, watch and history work; get, keys and purge don't", async () => {
  await using carol = await coreClient("carol", "preferences");
  const preferences = await new Kvm(jetstream(carol.nc)).open("preferences");
  await preferences.put("carol.a", "=1");
  const revision = await preferences.create("carol.b", "=1");
  await preferences.update("carol.b", "=2", revision);
  await expect(preferences.update("carol.b", "=3", revision)).rejects.toThrow("wrong last sequence");
  const history: string[] = [];
  for await (const entry of await preferences.history({ key: "carol.b" })) history.push(entry.string());
  expect(history).toEqual(["=1", "=2"]);
  await preferences.delete("carol.a");
  for await (const { key, operation } of await preferences.watch({ key: "carol.a" })) {
    expect([key, operation]).toEqual(["carol.a", "DEL"]);
    break;
  }
  expect(carol.denials).toEqual([]);
  await expect(preferences.purge("carol.a")).rejects.toThrow("rollup not permitted");
  await expect(preferences.get("carol.b")).rejects.toThrow("Permissions Violation");
  await expect(preferences.keys("carol.>")).rejects.toThrow("Permissions Violation");
  await expect(preferences.put("bob.a", "=1")).rejects.toThrow("Permissions Violation");
});

test("a bucket that a backend writes: both clients read it, and can't write", async () => {
  const [write, core, older, live] = code("## A bucket that a backend writes");
  await using watching = await environment.logIn(loginOf("bob", "catalog-live"), "ws");
  const changes = screen();
  await run(live, { nc: watching.nc, show: changes.show });
  await watching.nc.flush();
  await using backend = await coreClient("shop", "catalog-writer");
  await run(write, { backend: backend.nc });
  await watching.nc.flush();
  expect(changes.shown).toEqual(["fruit.apple 3 kg"]);

  await using alice = await coreClient("alice", "catalog-reader");
  await using bob = await environment.logIn(loginOf("bob", "catalog-reader"), "ws");
  await using carol = await environment.logIn(loginOf("carol", "catalog-reader"), "tcp");
  for (const [client, text] of [
    [alice, core],
    [bob, older],
    [carol, older],
  ] as const) {
    const { shown, show } = screen();
    const { ends } = await start(text, { nc: client.nc, show });
    await until(() => shown.length === 2, "the value and the watch", environment.admin);
    expect(shown).toEqual(["3 kg", "fruit.apple 3 kg"]);
    expect(client.denials).toEqual([]);
    client.nc.publish("$KV.catalog.fruit.apple", "mine");
    await client.nc.flush();
    await client.nc.close();
    await within(ends, "the watch to end");
  }
  const catalog = await new Kvm(jetstream(backend.nc)).open("catalog", { allow_direct: true });
  expect((await catalog.get("fruit.apple"))?.string()).toBe("3 kg");
  expect([...backend.denials, ...watching.denials]).toEqual([]);
});

test("a bucket that a backend writes: history works with @nats-io/kv, and keys with no client", async () => {
  await using backend = await coreClient("shop", "catalog-writer");
  const writer = await new Kvm(jetstream(backend.nc)).open("catalog", { allow_direct: true });
  await writer.put("fruit.pear", "1 kg");
  await using alice = await coreClient("alice", "catalog-reader");
  const catalog = await new Kvm(jetstream(alice.nc)).open("catalog", { allow_direct: true });
  const values: string[] = [];
  for await (const entry of await catalog.history({ key: "fruit.pear" })) values.push(entry.string());
  expect(values).toEqual(["1 kg"]);
  await expect(catalog.keys()).rejects.toThrow("Permissions Violation");
  await expect(catalog.put("fruit.pear", "mine")).rejects.toThrow("Permissions Violation");
});

test("a bucket that a backend writes: a reader can copy a value to another key, and not to an untrusted user's messages", async () => {
  await using backend = await coreClient("shop", "catalog-writer");
  const catalog = await new Kvm(jetstream(backend.nc)).open("catalog", { allow_direct: true });
  await catalog.put("fruit.fig", "for everybody");
  await catalog.put("fruit.kiwi", "2 kg");
  await using watching = await environment.logIn(loginOf("bob", "catalog-live"), "ws");
  const changes = screen();
  const [, , , live] = code("## A bucket that a backend writes");
  await run(live, { nc: watching.nc, show: changes.show });
  const received = await watching.subscribe("catalog.>");

  await using mallory = await environment.logIn(loginOf("mallory", "catalog-reader"), "tcp");
  const get = "$JS.API.DIRECT.GET.KV_catalog.$KV.catalog.";
  mallory.nc.publish(`${get}fruit.fig`, "", { reply: "catalog.fruit.plum" });
  mallory.nc.publish(`${get}none`, "", { reply: "catalog.fruit.plum" });
  mallory.nc.publish("$JS.API.CONSUMER.CREATE.KV_catalog.c.$KV.catalog.>", "{}", {
    reply: "catalog.fruit.plum",
  });
  await until(() => received.messages.length === 3, "three forged messages", environment.admin);
  expect(changes.shown).toEqual([]);

  mallory.nc.publish(`${get}fruit.fig`, "", { reply: "$KV.catalog.fruit.kiwi" });
  await until(
    async () => (await catalog.get("fruit.kiwi"))?.string() === "for everybody",
    "the copy",
    environment.admin,
  );
  for (const subject of ["$JS.API.STREAM.DELETE.KV_catalog", "$JS.API.STREAM.PURGE.KV_catalog"]) {
    mallory.nc.publish(`${get}fruit.fig`, "", { reply: subject });
  }
  await flushAll(mallory, environment.admin);
  expect((await environment.manager.streams.info("KV_catalog")).state.messages).toBeGreaterThan(2);
});

test("tasks: a user gets its tasks until they are acknowledged, and forged tasks are left out", async () => {
  const [make = "", pass, give, take] = code("## A user's own tasks");
  await using backend = await environment.observer();
  for (const user of ["alice", "bob"]) await run(make.replaceAll("alice", user), { backend: backend.nc });
  await run(pass, { backend: backend.nc });
  await backend.nc.flush();
  const passed = [
    await environment.admin.subscribe("$JS.ACK.>"),
    await environment.admin.subscribe("$JS.API.STREAM.DELETE.>"),
  ];
  await using mallory = await environment.logIn(loginOf("mallory", "preferences"), "tcp");
  await using alice = await environment.logIn(loginOf("alice", "tasks"), "tcp");
  await using bob = await environment.logIn(loginOf("bob", "tasks"), "tcp");
  const { shown, show } = screen();
  const info = (user: string) => environment.manager.consumers.info("TASKS", user);

  // Bob is connected, and does not acknowledge his task.
  const bobs = await bob.subscribe("deliver.tasks.bob");
  await environment.admin.nc
    .jetstream()
    .publish("tasks.bob.call", "call alice", { msgID: crypto.randomUUID() });
  await until(() => bobs.messages.length > 0, "bob's task", bob);
  const { delivered } = await info("bob");

  // While alice is not connected, a task arrives, and JetStream's acknowledgement of a put.
  mallory.nc.publish("$KV.preferences.mallory.x", "x", { reply: "tasks.alice.forged" });
  await run(give, { backend: backend.nc });
  await until(async () => (await info("alice")).num_pending === 2, "two pending tasks", environment.admin);
  await run(take, { nc: alice.nc, show });
  await until(
    async () => (await info("alice")).ack_floor.consumer_seq === 2,
    "both to be acknowledged",
    alice,
  );

  // Directly to the deliver subject: an acknowledgement, and a message of mallory, with the header.
  const received = await alice.subscribe("deliver.tasks.alice");
  mallory.nc.publish("$KV.preferences.mallory.x", "x", { reply: "deliver.tasks.alice" });
  const real = headers();
  real.set("Nats-Msg-Id", crypto.randomUUID());
  await mallory.nc.request("$KV.preferences.mallory.x", "do this", { headers: real, timeout: TIMEOUT });
  const filter_subject = "$KV.preferences.mallory.>";
  const config = { filter_subject, deliver_subject: "deliver.tasks.alice", ack_policy: "none" };
  const created = await mallory.nc.request(
    `$JS.API.CONSUMER.CREATE.KV_preferences.m.${filter_subject}`,
    JSON.stringify({ stream_name: "KV_preferences", config }),
    { timeout: TIMEOUT },
  );
  expect(created.json<{ error?: object }>().error).toBeUndefined();
  await until(() => received.messages.includes("do this"), "mallory's message", alice);
  await until(() => received.messages.some((text) => text.startsWith("{")), "the acknowledgement", alice);

  // Empty messages, stored as tasks.
  const before = (await info("alice")).ack_floor.consumer_seq;
  const own = sourceOf(mallory, "KV_preferences", filter_subject, "$KV.preferences.mallory.x");
  const empty = await deliverTo("tasks.alice.x", { ...own, inbox: "_INBOX_mallory" }, environment.admin);
  await until(
    async () => (await info("alice")).ack_floor.consumer_seq > before + 2,
    "the empty messages to be acknowledged",
    alice,
  );
  await environment.manager.consumers.delete("KV_preferences", empty);
  await until(async () => (await info("alice")).num_pending === 0, "the last delivery", alice);
  await until(async () => (await info("alice")).num_ack_pending === 0, "the last acknowledgement", alice);

  // Alice can't acknowledge bob's task, nor make the backend publish anything else.
  const bobsTask = `$JS.ACK.TASKS.bob.1.${delivered.stream_seq}.${delivered.consumer_seq}.1.0`;
  const others = [
    bobsTask,
    "$JS.API.STREAM.DELETE.TASKS",
    "$JS.ACK.TASKS.alice.*.>",
    "$JS.ACK.TASKS.alice.\r\nPUB x 0",
    "",
  ];
  for (const text of others) alice.nc.publish("done.tasks.alice", text);
  await flushAll(alice, backend, environment.admin);
  expect(shown).toEqual(["call bob"]);
  const acknowledged = passed.flatMap(({ subjects }) => subjects);
  expect(acknowledged.length).toBe((await info("alice")).ack_floor.consumer_seq);
  for (const subject of acknowledged) expect(subject).toMatch(/^\$JS\.ACK\.TASKS\.alice\.[\d.]+$/);
  expect(await info("bob")).toMatchObject({ num_ack_pending: 1 });
  // Bob can.
  bob.nc.publish("done.tasks.bob", bobsTask);
  await until(
    async () => (await info("bob")).num_ack_pending === 0,
    "the acknowledgement of bob's task",
    bob,
  );
  expect([...alice.denials, ...bob.denials, ...mallory.denials]).toEqual([]);
});

test("a worker pulls its tasks and acknowledges them", async () => {
  const filter_subject = "tasks.printer.>";
  await environment.manager.consumers.add("TASKS", {
    durable_name: "printer",
    filter_subject,
    ack_policy: AckPolicy.Explicit,
  });
  await environment.admin.nc.jetstream().publish("tasks.printer.x", "print this");
  await using printer = await environment.logIn(loginOf("printer", "tasks-pull"), "tcp");
  const { shown, show } = screen();
  await run(code("## A worker that pulls")[0], { nc: printer.nc, show });
  expect(shown).toEqual(["print this"]);
  expect(await environment.manager.consumers.info("TASKS", "printer")).toMatchObject({
    num_pending: 0,
    num_ack_pending: 0,
  });
  expect(printer.denials).toEqual([]);
});

test("with the role browser, no call of JetStream's API is allowed", async () => {
  const before = await readJetStream(environment.manager);
  const { jwt, seed = "", servers } = await credentials(environment.app, { user: "alice", role: "browser" });
  await using alice = await logIn({ jwt, seed, servers }, environment.url("ws"));
  for (const call of apiCalls("TASKS", "alice", "tasks.alice.>")) alice.nc.publish(`$JS.API.${call}`);
  await flushAll(alice, environment.admin);
  expect(alice.denials).toHaveLength(apiCalls("", "", "").length);
  expect(await readJetStream(environment.manager)).toEqual(before);
});
