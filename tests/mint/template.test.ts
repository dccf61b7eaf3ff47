import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUser, decode, encodeUser, fromSeed } from "@nats-io/jwt";
import fc from "fast-check";
import { MintError } from "../../src/core/errors.ts";
import { parseUserPublicKey } from "../../src/core/keys/nkey.ts";
import { createMint } from "../../src/core/mint.ts";
import { type AccountFixture, makeAccount, type RoleTemplate } from "../../src/core/roles/account.fixture.ts";
import type { Permissions, SubjectRules } from "../../src/core/roles/role.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";
import { parseTags } from "../../src/core/tags.ts";
import { makeRecipe } from "../recipe/recipe.ts";
import { bytes, type Client, flushAll, type Login, logIn, refusal, runService } from "./parts.ts";

/**
 * The permissions in the mint's response are those that the server enforces. Every template here becomes a scoped key of
 * one account on a real nats-server. A user of it logs in and tries a set of subjects. What the server allows is compared
 * with what the permissions allow by the rules that are written out below.
 */

const USER = "alice";
const TAGS = { room: "Lobby", team: "a" };
const ACCOUNT_TAGS = ["zone:eu", "zone:us", "size:s"];
const WORDS = ["alice", "bob", "Lobby", "lobby", "a", "b", "eu", "us", "s", "APP", "q"];

/** Templates with special cases; more are generated at random below. */
const TEMPLATES: Record<string, RoleTemplate> = {
  "the user's name": both("b.{{name()}}"),
  "the user's name, with spaces": both("b.{{ name() }}", "b.{{\tname()}}"),
  "the user's key": both("b.{{subject()}}"),
  "the account's name and key": both("b.{{account-name()}}", "{{account-subject()}}.x"),
  "functions in capitals": both("b.{{NAME()}}", "b.{{Account-Name()}}"),
  "a name inside a token": both("b.x-{{name()}}", "{{name()}}{{name()}}.b"),
  "a tag": both("b.{{tag(room)}}"),
  "a tag, its name in capitals": both("b.{{tag(ROOM)}}"),
  "TAG in capitals, which the server interprets differently": both("b.{{TAG(room)}}", "a.b"),
  "two tags": both("{{tag(room)}}.{{tag(team)}}"),
  "one tag twice": both("{{tag(team)}}.{{tag(team)}}"),
  "a tag that the user does not have, beside one that it has": both("b.{{tag(none)}}", "b.{{tag(team)}}"),
  "a tag that the user does not have, and nothing else": both("b.{{tag(none)}}"),
  "an account's tag with two values": both("b.{{account-tag(zone)}}"),
  "two account's tags": both("{{account-tag(zone)}}.{{account-tag(size)}}"),
  "an account's tag twice": both("{{account-tag(zone)}}.{{account-tag(zone)}}"),
  "an account's tag that does not exist": both("b.{{account-tag(none)}}"),
  "an account's tag beside a user's": both("{{account-tag(zone)}}.{{tag(room)}}"),
  "something to deny": {
    pub: { allow: ["b.>"], deny: ["b.{{name()}}"] },
    sub: { allow: ["b.>"], deny: ["b.{{name()}}"] },
  },
  "only something to deny": { pub: { deny: ["b.{{name()}}"] }, sub: { deny: ["b.{{name()}}", "a.*"] } },
  "something to deny, and an empty list of what is allowed": {
    pub: { allow: [], deny: ["b.{{name()}}"] },
    sub: { allow: [], deny: ["b.{{name()}}"] },
  },
  "something to deny with a tag": {
    pub: { allow: [">"], deny: ["b.{{tag(room)}}"] },
    sub: { allow: [">"], deny: ["{{account-tag(zone)}}.>"] },
  },
  "something to deny with a tag that the user does not have": {
    pub: { allow: [">"], deny: ["b.{{tag(none)}}"] },
    sub: { allow: [">"] },
  },
  "something to deny with an account's tag that does not exist": {
    pub: { allow: [">"] },
    sub: { allow: [">"], deny: ["b.{{account-tag(none)}}"] },
  },
  "a function that does not exist": both("b.{{nme()}}"),
  "a function with an argument": both("b.{{name(x)}}"),
  "three braces": both("b.{{{name()}}}"),
  "a brace that isn't closed": both("b.{{name()}", "b.a"),
  "empty braces": both("b.{{}}", "b.a"),
  "an empty tag": both("b.{{tag()}}", "b.a"),
  "an invalid subject, without templates": both("b..a", "b.b"),
  "an invalid subject, with templates": both("b..{{name()}}", "b.b"),
  "an invalid subject to deny, with templates": {
    pub: { allow: [">"], deny: ["b..{{name()}}"] },
    sub: { allow: [">"] },
  },
  "a wildcard inside a token": both("b.a*", "b.>a"),
  "> before the end": both("b.>.{{name()}}", "b.b"),
  wildcards: both("b.*", "{{name()}}.>", "*.{{tag(team)}}"),
  "a wildcard that would also match the wildcard >": {
    pub: { allow: ["b.*"] },
    sub: { allow: ["b.*"], deny: ["b.*.>"] },
  },
  "nothing to publish": { pub: { deny: [">"] }, sub: { allow: ["b.{{name()}}"] } },
  "only pub": { pub: { allow: ["b.{{name()}}"] } },
  "only sub": { sub: { allow: ["b.{{name()}}"] } },
  "nothing at all": {},
  "empty lists": { pub: { allow: [], deny: [] }, sub: { allow: [] } },
  "a queue group": { pub: { allow: ["b.a"] }, sub: { allow: ["b.{{name()}} q", "b.b", "a.* q*"] } },
  "a queue group with a template": { pub: { allow: ["b.a"] }, sub: { allow: ["b.b {{name()}}", "a.b"] } },
  "a queue group, without templates": { pub: { allow: ["b.a"] }, sub: { allow: ["b.b q", "b.a"] } },
  "a queue group to deny": {
    pub: { allow: ["b.a"] },
    sub: { allow: ["b.>"], deny: ["b.b q", "b.a"] },
  },
  "the right to respond": { sub: { allow: ["b.{{name()}}"] }, resp: { max: 1, ttl: 1e9 } },
  "the right to respond and to publish": { ...both("b.{{name()}}"), resp: { max: 0, ttl: 0 } },
};

/** What roles let a user subscribe to, and the prefix of the inboxes that this permits. */
const INBOXES: [sub: SubjectRules, prefix: string | undefined][] = [
  [{ allow: ["users.{{name()}}.>", "_INBOX_{{name()}}.>"] }, "_INBOX_alice"],
  [{ allow: ["_INBOX.>"] }, "_INBOX.alice"],
  [{ allow: ["_INBOX_{{ NAME() }}.>"] }, "_INBOX_alice"],
  [{ allow: ["_INBOX.{{name()}}.>"] }, "_INBOX.alice"],
  [{ allow: ["_INBOX_{{tag(room)}}.>"] }, "_INBOX_Lobby.alice"],
  [{ allow: ["_INBOX_{{subject()}}.>"] }, "_INBOX_<key>"],
  [{ allow: ["_INBOX.{{account-tag(zone)}}.{{name()}}.>"] }, "_INBOX.eu.alice"],
  [{ allow: ["_INBOX_{{tag(room)}}.>", "_INBOX.{{name()}}.>"] }, "_INBOX.alice"],
  [{ allow: ["_INBOX.>", "_INBOX_{{subject()}}.>"] }, "_INBOX_<key>"],
  [{ allow: ["users.{{name()}}.>", "_INBOX.>", "_INBOX_{{name()}}_{{tag(room)}}.>"] }, "_INBOX_alice_Lobby"],
  [{ allow: ["users.{{name()}}.>", "_INBOX.>"] }, "_INBOX.alice"],
  [{ allow: ["_INBOX.*.>"] }, "_INBOX.alice"],
  [{ allow: ["_INBOX.*.*"] }, "_INBOX"],
  [{ allow: ["_INBOX_{{name()}}.*.*"], deny: ["_INBOX_{{name()}}.*.*.>"] }, "_INBOX_alice"],
  [{ allow: [">"] }, "_INBOX_alice"],
  [{ allow: ["*.>"] }, "_INBOX_alice"],
  [{}, "_INBOX_alice"],
  [{ deny: ["b.>"] }, "_INBOX_alice"],
  [{ allow: [">"], deny: ["_INBOX_{{name()}}.>"] }, "_INBOX.alice"],
  [{ allow: [">"], deny: ["_INBOX_{{name()}}.>", "_INBOX.>"] }, undefined],
  [{ allow: ["_INBOX.>", "replies.{{name()}}.>"], deny: ["_INBOX.>"] }, "replies.alice"],
  [{ allow: ["_INBOX_{{name()}}.>"], deny: ["_INBOX_{{name()}}.secret.>"] }, "_INBOX_alice"],
  [{ allow: ["_INBOX_{{name()}}.>"], deny: ["_INBOX_{{name()}}.*.*"] }, undefined],
  [{ allow: ["_INBOX_{{name()}}.>"], deny: ["_INBOX_bob.>"] }, "_INBOX_alice"],
  [{ allow: ["_INBOX_{{name()}}.*"], deny: ["_INBOX_{{name()}}.*.>"] }, undefined],
  [{ allow: ["_INBOX_{{tag(none)}}.>"] }, undefined],
  [{ allow: ["_INBOX_{{tag(none)}}.>", "_INBOX.{{tag(team)}}.>"] }, "_INBOX.a.alice"],
  [{ allow: ["orders.reply.{{name()}}.>"] }, "orders.reply.alice"],
  [{ allow: ["talk.{{tag(room)}}.>"] }, undefined],
  [{ allow: ["talk.{{tag(room)}}.*"], deny: ["talk.{{tag(room)}}.*.>"] }, undefined],
  [{ allow: ["status.>"], deny: ["status.internal.>"] }, undefined],
  [{ allow: ["_INBOX.> workers"] }, undefined],
  [{ allow: ["_INBOX.>"], deny: ["_INBOX.> workers"] }, "_INBOX.alice"],
  [{ deny: [">"] }, undefined],
];

const inboxRole = (sub: SubjectRules) => `inbox of ${JSON.stringify(sub)}`;

function both(...allow: string[]): RoleTemplate {
  return { pub: { allow }, sub: { allow } };
}

const part = fc.constantFrom(
  ...WORDS,
  "*",
  "{{name()}}",
  "{{tag(room)}}",
  "{{tag(team)}}",
  "{{ tag(none)}}",
  "{{account-tag(zone)}}",
  "{{account-name()}}",
  "x-{{tag(team)}}",
);
const pattern = fc
  .tuple(fc.array(part, { minLength: 1, maxLength: 2 }), fc.constantFrom("", "", "", ".>"))
  .map(([parts, end]) => parts.join(".") + end);
const list = fc.array(pattern, { maxLength: 3 });
const rules = fc.record({ allow: list, deny: list }, { requiredKeys: [] });
const template = fc.record({ pub: rules, sub: rules }, { requiredKeys: [] });
const RANDOM = Object.fromEntries(fc.sample(template, 60).map((random) => [JSON.stringify(random), random]));

const dir = mkdtempSync(join(tmpdir(), "template-"));
const key = createUser();
const publicKey = parseUserPublicKey(key.getPublicKey());
let account: AccountFixture;
let server: ReturnType<typeof runService>;
let url: string;
let observer: Client;
let subjects: string[];

beforeAll(async () => {
  const unlimited = { subs: -1, payload: -1, data: -1 };
  const roles = Object.entries({
    ...TEMPLATES,
    ...RANDOM,
    ...Object.fromEntries(
      INBOXES.map(([sub, _]): [string, RoleTemplate] => [inboxRole(sub), { pub: { allow: ["b.b"] }, sub }]),
    ),
    observer: both(">"),
  });
  account = await makeAccount(
    Object.fromEntries(roles.map(([role, template]) => [role, { ...template, ...unlimited }])),
    { tags: ACCOUNT_TAGS, defaultPermissions: { pub: { deny: [">"] }, sub: { deny: [">"] } } },
  );
  const words = WORDS.flatMap((first) => WORDS.map((second) => `${first}.${second}`));
  subjects = [
    ...words,
    ...WORDS,
    "b.x-alice",
    "alicealice.b",
    `b.${publicKey}`,
    `${account.publicKey}.x`,
    "b.a.b",
  ];
  await using recipe = await makeRecipe();
  const config = join(dir, "nats.conf");
  writeFileSync(
    config,
    `host: 127.0.0.1, port: -1, trusted: ${decode(account.accountJwt).iss}
    resolver: MEMORY, resolver_preload: { ${account.publicKey}: ${account.accountJwt} }`,
  );
  server = runService(["nats-server", "-c", config], { PATH: recipe.env.PATH ?? "" });
  await server.waitFor(/Server is ready/);
  const [, port] = await server.waitFor(/Listening for client connections on 127\.0\.0\.1:(\d+)/);
  url = `nats://127.0.0.1:${port}`;
  observer = await logIn(await official("observer"), url);
});

afterAll(async () => {
  await observer?.close();
  await server?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const seed = new TextDecoder().decode(key.getSeed());

/** A JWT made by the official library, which also signs what the mint refuses. */
async function official(role: string): Promise<Login> {
  const tags = Object.entries(TAGS).map(([name, value]) => `${name}:${value}`);
  const issuer = { getPublicKey: () => account.publicKey } as never;
  const signer = fromSeed(bytes(account.seeds[role] ?? ""));
  const jwt = await encodeUser(USER, key, issuer, { tags }, { scopedUser: true, signer });
  return { jwt, seed, servers: [url] };
}

/** What the mint issues; undefined when it refuses. */
function minted(role: string) {
  try {
    const roles = { [role]: { seed: account.seeds[role] ?? "", ttl: 60 } };
    const mint = createMint({ accountJwt: account.accountJwt, roles });
    return mint.issue({ role, user: parseSubjectToken(USER), tags: parseTags(TAGS) }, publicKey);
  } catch (error) {
    if (error instanceof MintError) return undefined;
    throw error;
  }
}

/**
 * Whether a pattern covers a subject, which may contain wildcards itself. The server looks up a subscription's wildcards
 * like any other token, so that `*` also covers `>`: a user that may subscribe to `b.*` may also subscribe to `b.>`.
 */
function covers(pattern: string, subject: string): boolean {
  const subjectTokens = subject.split(".");
  const patternTokens = pattern.split(".");
  for (const [i, token] of patternTokens.entries()) {
    const subjectToken = subjectTokens[i];
    if (token === "" || subjectToken === undefined) return false;
    if (token === ">") return i === patternTokens.length - 1;
    if (token !== "*" && token !== subjectToken) return false;
  }
  return patternTokens.length === subjectTokens.length;
}

const may = ({ allow, deny = [] }: SubjectRules, subject: string) =>
  (!allow || allow.some((pattern) => covers(pattern, subject))) &&
  !deny.some((pattern) => covers(pattern, subject));

/** The same with queue groups: if a list names groups for a subject, only these entries count for a subscription with a group. */
function maySubscribe(
  { allow, deny = [] }: SubjectRules,
  subject: string,
  queue: string | undefined,
): boolean {
  const matches = (list: readonly string[]) => {
    const hits = list.map((entry) => entry.split(" ")).filter(([pattern = ""]) => covers(pattern, subject));
    const groups = hits.map(([, group]) => group).filter((group) => group !== undefined);
    if (queue && groups.length > 0) return groups.some((group) => covers(group, queue));
    return hits.length > groups.length;
  };
  return (!allow || matches(allow)) && !matches(deny);
}

/** The allowed publishes and subscriptions, and the messages that arrive, according to the permissions. */
function expected({ pub = {}, sub = {} }: Permissions) {
  const plain = (sub.deny ?? []).filter((entry) => !entry.includes(" "));
  return {
    published: subjects.filter((subject) => may(pub, subject)),
    subscribed: subscriptions().filter(([subject, queue]) => maySubscribe(sub, subject, queue)),
    received: WILDCARDS.filter((wildcard) => maySubscribe(sub, wildcard, undefined)).flatMap((wildcard) =>
      subjects
        .filter((subject) => covers(wildcard, subject) && !plain.some((pattern) => covers(pattern, subject)))
        .map((subject) => `${wildcard} ${subject}`),
    ),
  };
}

const WILDCARDS = ["b.*", "b.>", "*.*", ">", "alice.>"];

function subscriptions(): [subject: string, queue: string | undefined][] {
  const queued = subjects.filter((subject) => /^[ab]\./.test(subject));
  return [
    ...[...subjects, ...WILDCARDS].map((subject): [string, undefined] => [subject, undefined]),
    ...queued.flatMap((subject): [string, string][] => ["q", "q1", "alice"].map((queue) => [subject, queue])),
  ];
}

/** The same, as observed on the server. */
async function observed(client: Client) {
  const seen = await observer.subscribe(">");
  for (const subject of subjects) client.nc.publish(subject);
  await flushAll(client, observer);
  const published = [...seen.subjects];

  const received: string[] = [];
  for (const [subject, queue] of subscriptions()) {
    client.nc.subscribe(subject, {
      ...(queue && { queue }),
      callback: (error, message) => {
        if (!error && !queue && WILDCARDS.includes(subject)) received.push(`${subject} ${message.subject}`);
      },
    });
  }
  await client.nc.flush();
  for (const subject of subjects) observer.nc.publish(subject);
  await flushAll(observer, client);
  const denied = new Set(client.denials);
  return {
    published,
    subscribed: subscriptions().filter(
      ([subject, queue]) => !denied.has(["subscription", subject, queue].filter(Boolean).join(" ")),
    ),
    received,
  };
}

const sorted = (all: {
  published: string[];
  subscribed: [string, string | undefined][];
  received: string[];
}) => ({
  published: all.published.toSorted(),
  subscribed: all.subscribed.map(([subject, queue = ""]) => `${subject} ${queue}`).toSorted(),
  received: all.received.toSorted(),
});

describe("the server enforces the permissions in the response for", () => {
  async function compare(role: string): Promise<void> {
    const credentials = minted(role);
    if (!credentials) {
      expect([role, await refusal(await official(role), url)]).toEqual([role, "AUTHORIZATION_VIOLATION"]);
      return;
    }
    await using client = await logIn({ jwt: credentials.jwt, seed, servers: [url] });
    const actual = sorted(await observed(client));
    expect({ role, ...actual }).toEqual({ role, ...sorted(expected(credentials.permissions)) });
  }

  for (const role of Object.keys(TEMPLATES)) test(role, () => compare(role));

  test("random templates", async () => {
    for (const role of Object.keys(RANDOM)) await compare(role);
  });
});

describe("the inbox prefix in the response", () => {
  /** Whether the server lets a user of the role subscribe below this prefix, and delivers a response there. */
  async function receivesResponse(client: Client, prefix: string): Promise<boolean> {
    const inbox = `${prefix}.3SGDX19T8TJYF2N7PZQ3LB`;
    const received: string[] = [];
    client.nc.subscribe(`${inbox}.*`, {
      callback: (error, message) => void (error || received.push(message.subject)),
    });
    await client.nc.flush();
    observer.nc.publish(`${inbox}.MZ4U1K`);
    await flushAll(observer, client);
    return received.length > 0;
  }

  async function logInWith(role: string): Promise<{ client: Client; prefix: string | undefined }> {
    const { jwt = "", inboxPrefix } = minted(role) ?? {};
    return { client: await logIn({ jwt, seed, servers: [url] }, url), prefix: inboxPrefix };
  }

  for (const [sub, prefix] of INBOXES) {
    test(`is ${prefix} for ${JSON.stringify(sub)}, which the server permits`, async () => {
      const login = await logInWith(inboxRole(sub));
      await using client = login.client;
      expect(login.prefix).toBe(prefix?.replace("<key>", publicKey));
      if (login.prefix) expect(await receivesResponse(client, login.prefix)).toBe(true);
    });
  }

  test("is one that the server permits, for every template; without one the usual inboxes are denied", async () => {
    for (const role of [...Object.keys(TEMPLATES), ...Object.keys(RANDOM)].filter((each) => minted(each))) {
      const login = await logInWith(role);
      await using client = login.client;
      const usual = ["_INBOX", "_INBOX_alice", "_INBOX.alice"];
      const permitted = await Promise.all(
        (login.prefix ? [login.prefix] : usual).map((prefix) => receivesResponse(client, prefix)),
      );
      expect([role, permitted.some(Boolean)]).toEqual([role, login.prefix !== undefined]);
    }
  });
});

describe("the right to respond that the mint shows", () => {
  for (const [role, replies] of [
    ["the right to respond", 1],
    ["the right to respond and to publish", 1],
    ["the user's name", 0],
  ] as const) {
    test(`is what the server enforces: ${role}`, async () => {
      const { jwt = "", permissions } = minted(role) ?? {};
      expect(permissions?.resp?.max ?? 0).toBe(replies);
      await using client = await logIn({ jwt, seed, servers: [url] });
      const responses = await observer.subscribe("replies.>");
      client.nc.subscribe("b.alice", {
        callback: (_, message) => {
          for (const text of ["one", "two", "three"]) message.respond(text);
        },
      });
      await client.nc.flush();
      observer.nc.publish("b.alice", "", { reply: "replies.x" });
      await flushAll(observer, client, client, observer);
      expect(responses.messages).toEqual(["one", "two", "three"].slice(0, replies));
    });
  }
});

describe("the templates of this test", () => {
  test("are in part refused and mostly accepted, so that both cases are tested", () => {
    const refused = Object.keys(TEMPLATES).filter((role) => !minted(role));
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.length).toBeLessThan(Object.keys(TEMPLATES).length / 2);
  });
});
