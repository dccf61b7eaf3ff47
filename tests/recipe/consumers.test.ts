import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { jwtAuthenticator as coreAuthenticator, wsconnect } from "@nats-io/nats-core";
import { AckPolicy, connect, credsAuthenticator } from "nats";
import { connect as connectWs, jwtAuthenticator } from "nats.ws";
import { readWithJetstream, readWithNatsWs } from "../mint/history.ts";
import { bytes, type Client, credentials, TIMEOUT, within } from "../mint/parts.ts";
import { consume, deliverTo, sourceOf } from "../roles/deliver.ts";
import { loginOf, makeRoleEnvironment, type RoleEnvironment } from "../roles/recipes.ts";
import { expectSuccess } from "./recipe.ts";

/** Consumers that a role can make, and whose deliver subject is no inbox of its users: a start removes them. */

const QUIET = "nats-push: nothing to push: all is in force\n";

/** Roles that share a stream: of a tag, with another inbox name, and of a backend. */
const create = "$JS.API.CONSUMER.CREATE.LOG";
const more = {
  team: {
    pub: { allow: [`${create}.*.log.{{tag(team)}}.>`], deny: [`${create}.denied.>`] },
    sub: { allow: ["_INBOX_{{tag(team)}}.>", "log.{{tag(team)}}.>"], deny: ["*.no.>"] },
  },
  reader: { pub: { allow: [`${create}.*.news.{{name()}}`] }, sub: { allow: ["reply.{{name()}}.>"] } },
  backend: { pub: { allow: [`${create}.>`] }, sub: { allow: ["_INBOX_backend.>"] } },
};

let environment: RoleEnvironment;
let alice: Client;
let mallory: Client;

beforeAll(async () => {
  environment = await makeRoleEnvironment(more);
});
afterAll(async () => {
  await environment?.admin.close();
  await environment?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  alice = await environment.logIn(loginOf("alice", "room"));
  mallory = await environment.logIn(loginOf("mallory", "preferences"));
});
afterEach(async () => {
  await alice.close();
  await mallory.close();
  for (const stream of ["ROOMS", "KV_preferences", "TASKS"]) {
    for (const name of await names(stream)) await environment.manager.consumers.delete(stream, name);
  }
});

const push = async (more?: Record<string, string>) => expectSuccess(await environment.recipe.push(more));

/** The removed consumers, which must be all that the recipe reports. */
async function sweep(): Promise<string[]> {
  const output = await push();
  expect(output).toEndWith(QUIET);
  const lines = output.slice(0, -QUIET.length).split("\n").slice(0, -1);
  return lines.map((line) => {
    const what =
      /^nats-push: removed consumer (".*") of stream (".*"): it delivers to (".*"), no inbox of a user who can have made it$/;
    const [, name = "", stream = "", subject = ""] = what.exec(line) ?? [];
    return [name, stream, subject].map((each) => JSON.parse(each || '"?"')).join(" ");
  });
}

const names = async (stream: string) => {
  const all = [];
  for await (const { name } of environment.manager.consumers.list(stream)) all.push(name);
  return all.toSorted();
};

const room = () => sourceOf(alice, "ROOMS", "rooms.lobby.*.chat", "rooms.lobby.alice.chat");
const keys = () => ({
  ...sourceOf(mallory, "KV_preferences", "$KV.preferences.mallory.>", "$KV.preferences.mallory.x"),
  inbox: "_INBOX_mallory",
});

/** The longest that the server allows; by default, a consumer without interest expires after five seconds. */
const LASTING = { inactive_threshold: 300e9 };

/** Makes a consumer, which must succeed. */
async function make(source: Parameters<typeof consume>[0], config: object, name: string): Promise<void> {
  const { error } = await consume(source, { ...LASTING, ...config }, name);
  expect([name, error]).toEqual([name, undefined]);
}

test("removes those that deliver to no inbox of a user that may have created them, and reports each", async () => {
  const rooms = ["users.bob.echo", "rooms.lobby.bob.typing", "other.x", "_INBOX.x", "_INBOX_bob", "$JS.x"];
  for (const [i, deliver_subject] of rooms.entries()) await make(room(), { deliver_subject }, `r${i}`);
  const others = ["_INBOX_bob.x", "_INBOX_mallory2.x", "users.mallory.x", "rooms.lobby.bob.chat"];
  for (const [i, deliver_subject] of others.entries()) await make(keys(), { deliver_subject }, `k${i}`);
  await make(room(), { deliver_subject: "users.bob.durable", durable_name: "durable" }, "durable");
  const replaced = { deliver_subject: "users.bob.x", filter_subject: undefined };
  await make(room(), { ...replaced, filter_subjects: ["rooms.lobby.*.chat"] }, "list").catch(() => {});
  const list = (await names("ROOMS")).includes("list") ? ["list ROOMS users.bob.x"] : [];
  expect((await sweep()).toSorted()).toEqual(
    [
      ...rooms.map((subject, i) => `r${i} ROOMS ${subject}`),
      ...others.map((subject, i) => `k${i} KV_preferences ${subject}`),
      "durable ROOMS users.bob.durable",
      ...list,
    ].toSorted(),
  );
  expect([...(await names("ROOMS")), ...(await names("KV_preferences"))]).toEqual([]);
  expect(await push()).toBe(QUIET);
});

test("decides by what each role grants and denies", async () => {
  const { admin, manager } = environment;
  await manager.streams.add({ name: "LOG", subjects: ["log.>", "news.*"] });
  const cases: [string, string, string, boolean][] = [
    ["own-team", "log.red.>", "_INBOX_red.x", true],
    ["other-team", "log.red.>", "_INBOX_blue.x", false],
    ["received", "log.red.x", "log2.red.x", false],
    ["not-received", "log.red.>", "_INBOX_red.no.x", false],
    ["denied", "log.red.>", "anywhere", true],
    ["wider", "log.>", "anywhere", true],
    ["wildcard", "log.*.>", "anywhere", true],
    ["own-reply", "news.alice", "reply.alice.x", true],
    ["other-reply", "news.alice", "reply.bob.x", false],
    ["no-inbox", "news.alice", "_INBOX_alice.x", false],
    ["all-news", "news.*", "anywhere", true],
  ];
  for (const [name, filter, deliver_subject] of cases) {
    await make({ client: admin, stream: "LOG", filter }, { deliver_subject }, name);
  }
  const removed = cases.filter(([, , , stays]) => !stays);
  expect((await sweep()).toSorted()).toEqual(
    removed.map(([name, , subject]) => `${name} LOG ${subject}`).toSorted(),
  );
  expect(await names("LOG")).toEqual(cases.flatMap(([name, , , stays]) => (stays ? [name] : [])).toSorted());
  await manager.streams.delete("LOG");
});

test("removes one that would never expire, and its messages stop", async () => {
  const received = await environment.admin.subscribe("users.bob.>");
  const name = await deliverTo("users.bob.x", room(), environment.admin);
  expect(await sweep()).toEqual([`${name} ROOMS users.bob.x`]);
  await environment.admin.nc.flush();
  const before = received.messages.length;
  await room().publish("without a receiver");
  await environment.admin.nc.flush();
  expect(received.messages.length).toBe(before);
});

test("keeps those in use, and those of backends", async () => {
  const { admin, manager } = environment;
  const port = environment.recipe.ports.webSocket;
  const attic = { role: "room", tags: { room: "attic" } };
  await using carol = await environment.logIn({ user: "carol", ...attic });
  const room = () => sourceOf(carol, "ROOMS", "rooms.attic.*.chat", "rooms.attic.carol.chat");
  await room().publish("one");
  await mallory.nc.request("$KV.preferences.mallory.theme", "dark", { timeout: TIMEOUT });

  const login = await credentials(environment.app, { user: "bob", ...attic });
  const options = { servers: `ws://127.0.0.1:${port}`, inboxPrefix: login.inbox_prefix ?? "" };
  const plain = await connectWs({
    ...options,
    authenticator: jwtAuthenticator(login.jwt, bytes(login.seed ?? "")),
  });
  const core = await wsconnect({
    ...options,
    authenticator: coreAuthenticator(login.jwt, bytes(login.seed ?? "")),
  });
  const ofMallory = await credentials(environment.app, loginOf("mallory", "preferences"));
  const watching = await wsconnect({
    servers: `ws://127.0.0.1:${port}`,
    inboxPrefix: ofMallory.inbox_prefix ?? "",
    authenticator: coreAuthenticator(ofMallory.jwt, bytes(ofMallory.seed ?? "")),
  });
  const histories = [readWithNatsWs(plain, "attic"), readWithJetstream(core, "attic")];
  const watch = await (await new Kvm(jetstream(watching)).open("preferences")).watch({ key: "mallory.>" });
  const entries = watch[Symbol.asyncIterator]();
  const next = async (texts: string[]) => {
    for (const history of histories) {
      const { value } = await within<IteratorResult<{ string(): string }, void>>(history.next(), "a message");
      texts.push(value?.string() ?? "");
    }
    const { value } = await within(entries.next(), "a key");
    texts.push(value.string());
    return texts;
  };
  expect(await next([])).toEqual(["one", "one", "dark"]);

  // Consumers of a backend: with a filter that no role has, with several, with none; and a pull consumer.
  const ack_policy = AckPolicy.Explicit;
  const deliver_subject = "deliver.tasks.alice";
  await manager.consumers.add("TASKS", {
    durable_name: "alice",
    filter_subject: "tasks.alice.>",
    deliver_subject,
    ack_policy,
  });
  for (const [durable_name, more] of Object.entries({
    all: { deliver_subject: "backend.all" },
    wide: { deliver_subject: "backend.wide", filter_subject: "rooms.>" },
    own: { deliver_subject: "backend.own", filter_subject: "rooms.*.*.chat" },
    two: { deliver_subject: "backend.two", filter_subjects: ["rooms.a.*.chat", "rooms.b.*.chat"] },
    pulled: { filter_subject: "rooms.attic.*.chat" },
  })) {
    await manager.consumers.add("ROOMS", { durable_name, ack_policy, ...more });
  }
  // A consumer of a client with a self-made inbox.
  await make(room(), { deliver_subject: "_INBOX_carol.some.where" }, "inbox");

  const before = [await names("ROOMS"), await names("KV_preferences"), await names("TASKS")];
  expect(before.map(({ length }) => length)).toEqual([8, 1, 1]);
  expect(await sweep()).toEqual([]);
  expect([await names("ROOMS"), await names("KV_preferences"), await names("TASKS")]).toEqual(before);
  await room().publish("two");
  await mallory.nc.request("$KV.preferences.mallory.theme", "light", { timeout: TIMEOUT });
  expect(await next([])).toEqual(["two", "two", "light"]);
  for (const each of [plain, core, watching]) await each.close();
  await admin.nc.flush();
});

test("takes any names and subjects literally, and prints each on one line", async () => {
  const odd = [
    "$(id)`id`",
    "'\"",
    "{{Count}}",
    "{{",
    "}}",
    "%s%n",
    "-h",
    "a|b;c&d<e",
    "\u001b[2K\u0007",
    "\u0000nul\u0000",
    "müller\u202e😀",
    "\u007f",
    "#~!$",
    "x".repeat(200),
  ];
  const made: string[] = [];
  for (const name of odd) {
    const { error } = await consume(room(), { ...LASTING, deliver_subject: `users.bob.${name}` }, name);
    if (!error) made.push(name);
  }
  expect(made.length).toBeGreaterThan(8);
  expect(await names("ROOMS")).toEqual(made.toSorted());
  await make(room(), { deliver_subject: "_INBOX_alice.x" }, "Count");
  const output = await push();
  expect(await names("ROOMS")).toEqual(["Count"]);
  const lines = output.trimEnd().split("\n");
  expect(lines).toHaveLength(made.length + 1);
  for (const line of lines) expect(line).toMatch(/^nats-push: [ -~…]+$/);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(350);
});

test("finds them among more than a page of others", async () => {
  const { admin } = environment;
  const add = (name: string, config: object) =>
    admin.nc.request(
      `$JS.API.CONSUMER.CREATE.ROOMS.${name}`,
      JSON.stringify({ stream_name: "ROOMS", config: { name, ack_policy: "none", ...LASTING, ...config } }),
      { timeout: 6 * TIMEOUT },
    );
  const others = Array.from({ length: 600 }, (_, i) => `b${i}`);
  await Promise.all(others.map((name) => add(name, { deliver_subject: `backend.${name}` })));
  const foreign = ["a-first", "b3-middle", "z-last"];
  for (const name of foreign) await make(room(), { deliver_subject: "users.bob.x" }, name);
  const seen = await admin.subscribe("$JS.API.CONSUMER.>");
  expect((await sweep()).toSorted()).toEqual(foreign.map((name) => `${name} ROOMS users.bob.x`));
  await admin.nc.flush();
  // Three pages of ROOMS, one of each bucket; then each of the three.
  expect(seen.subjects.filter((subject) => subject.includes(".LIST."))).toHaveLength(5);
  expect(seen.subjects).toHaveLength(5 + 3);
  expect(await names("ROOMS")).toEqual(others.toSorted());
});

/** Puts another program before the nats tool on the PATH; `$nats` is the real one. */
function replaceNats(script: string) {
  const { dir, env } = environment.recipe;
  const bin = join(dir, "bin");
  mkdirSync(bin);
  const real = Bun.which("nats", { PATH: env.PATH ?? "" });
  writeFileSync(join(bin, "nats"), `#!/bin/sh\nnats=${real}\n${script}\n`, { mode: 0o755 });
  return { PATH: `${bin}:${env.PATH}`, [Symbol.dispose]: () => rmSync(bin, { recursive: true }) };
}

test("finds them although they are too large for a page of the list", async () => {
  // In JSON, "<" takes six bytes.
  const metadata = { big: "<".repeat(60_000) };
  const big = Array.from({ length: 60 }, (_, i) => `big${i}`);
  for (const name of big) await make(room(), { deliver_subject: "users.bob.x", metadata }, name);
  await make(room(), { deliver_subject: "_INBOX_alice.x" }, "own");
  const lookups = await environment.admin.subscribe("$JS.API.CONSUMER.INFO.ROOMS.*");
  expect((await sweep()).toSorted()).toEqual(big.map((name) => `${name} ROOMS users.bob.x`).toSorted());
  await environment.admin.nc.flush();
  expect(lookups.subjects).toHaveLength(big.length + 1);
  expect(await names("ROOMS")).toEqual(["own"]);
});

test("reports nothing about one that was deleted meanwhile", async () => {
  await make(room(), { deliver_subject: "users.bob.x" }, "gone");
  // Each consumer is deleted twice, and the first response is not shown.
  using nats = replaceNats(
    `case "$*" in *CONSUMER.DELETE*) "$nats" "$@" >/dev/null </dev/null ;; esac\nexec "$nats" "$@"`,
  );
  expect(await push(nats)).toBe(QUIET);
  expect(await names("ROOMS")).toEqual([]);
});

test("uses a user that may read and delete consumers, and nothing else", async () => {
  const copy = join(environment.recipe.dir, "sweeper.creds");
  using nats = replaceNats(
    `case "$*" in *CONSUMER.LIST*) for each; do case $each in *consumers.creds) cp "$each" ${copy} ;; esac; done ;; esac\nexec "$nats" "$@"`,
  );
  expect(await push(nats)).toBe(QUIET);
  const nc = await connect({
    servers: environment.url("tcp"),
    authenticator: credsAuthenticator(readFileSync(copy)),
    inboxPrefix: "_INBOX_streams",
  });
  const may = async (subject: string) =>
    nc.request(subject, "", { timeout: TIMEOUT }).then(
      () => true,
      (error) => error.code !== "PERMISSIONS_VIOLATION",
    );
  for (const call of [
    "STREAM.NAMES",
    "CONSUMER.LIST.ROOMS",
    "CONSUMER.NAMES.ROOMS",
    "CONSUMER.INFO.ROOMS.x",
  ]) {
    expect([call, await may(`$JS.API.${call}`)]).toEqual([call, true]);
  }
  for (const subject of [
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.ROOMS",
    "$JS.API.STREAM.DELETE.ROOMS",
    "$JS.API.STREAM.MSG.GET.ROOMS",
    "$JS.API.CONSUMER.CREATE.ROOMS.x",
    "$JS.API.CONSUMER.MSG.NEXT.ROOMS.x",
    "rooms.lobby.alice.chat",
    "_INBOX_streams.x",
  ]) {
    expect([subject, await may(subject)]).toEqual([subject, false]);
  }
  await nc.close();
});

test("does not list consumers of a stream where no role may make them with a certain filter", async () => {
  const seen = await environment.admin.subscribe("$JS.API.CONSUMER.>");
  await push();
  await environment.admin.nc.flush();
  // TASKS has none.
  expect(seen.subjects.toSorted()).toEqual(
    ["KV_catalog", "KV_preferences", "ROOMS"].map((stream) => `$JS.API.CONSUMER.LIST.${stream}`),
  );
});
