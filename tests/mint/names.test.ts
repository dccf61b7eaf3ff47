import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createUser, decode, type User } from "@nats-io/jwt";
import fc from "fast-check";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { credentials, type Environment, flushAll, makeEnvironment, requestCreds } from "./parts.ts";

/** A user name is one literal subject token. No other text gets a credential, however it is written. */

let environment: Environment;

beforeAll(async () => {
  environment = await makeEnvironment({
    room: {
      pub: { allow: ["room.{{tag(room)}}.>"] },
      sub: { allow: ["room.{{tag(room)}}.>", "_INBOX_{{name()}}.>"] },
    },
  });
});
afterAll(() => environment[Symbol.asyncDispose]());

const TEXTS = [
  "",
  " ",
  "*",
  ">",
  "**",
  ">>",
  "*.>",
  "a.b",
  "alice.>",
  "alice.*",
  ".",
  "..",
  ".alice",
  "alice.",
  "alice bob",
  "alice >",
  " alice",
  "alice ",
  "alice\n",
  "alice\r\n",
  "alice\r\nPUB users.bob.x 0",
  "\nalice",
  "\talice",
  "alice\t",
  "alice\0",
  "\0",
  "alice\0.bob",
  "alice\x1b[2J",
  "{{name()}}",
  "{{ name() }}",
  "{{subject()}}",
  "{{tag(room)}}",
  "{{account-name()}}",
  "{{account-tag(x)}}",
  "alice{{",
  "}}alice",
  "%2A",
  "%3E",
  "alice%2Ebob",
  "alice%00",
  "&gt;",
  "$SYS",
  "$JS",
  "alice$",
  "a*",
  "*a",
  "a>",
  ">a",
  "alice/bob",
  "alice\\bob",
  "../alice",
  "alice:bob",
  "alice,bob",
  "alice;bob",
  "alice@example.com",
  "alice+1",
  "'alice'",
  '"alice"',
  "älice",
  "alicé",
  "alice\u0301",
  "\u0430lice", // Cyrillic а
  "\uff41\uff4c\uff49\uff43\uff45", // full width
  "\uff0a", // full-width *
  "\uff1e", // full-width >
  "alice\uff0ebob", // full-width dot
  "alice\u2024bob", // one dot leader
  "al\u0131ce", // dotless i
  "\u212aate", // Kelvin sign: its lower case is k
  "\u017fam", // long s: its upper case is S
  "alice\u200b",
  "alice\u200d",
  "\ufeffalice",
  "\u202eecila",
  "alice\u00a0",
  "alice\u2028",
  "\u0661", // an Arabic digit
  "👩‍👩‍👧",
  "\ud800",
  "\udc00alice",
  "a".repeat(65),
  "a".repeat(5000),
  "undefined\u0000",
];

const NOT_TEXTS = [
  "null",
  "true",
  "0",
  "1e400",
  "-0",
  "[]",
  '["alice"]',
  '[["alice"]]',
  '["alice","*"]',
  "{}",
  '{"toString":"alice"}',
  '{"length":5,"0":"*"}',
  '{"__proto__":"alice"}',
];

describe("no credential", () => {
  for (const text of TEXTS) {
    test(`for the user ${escaped(text)}`, async () => {
      const response = await requestCreds(environment.app, { user: text });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: "invalid_user" });
    });
  }

  for (const json of NOT_TEXTS) {
    test(`for the user ${json}, which is not a string`, async () => {
      const response = await requestCreds(environment.app, `{"user":${json}}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "invalid_request" });
    });
  }

  test("for a user in another field: inherited, in another case, beside a prototype", async () => {
    for (const body of [
      '{"__proto__":{"user":"alice"}}',
      '{"constructor":{"prototype":{"user":"alice"}}}',
      '{"User":"alice"}',
      '{"user ":"alice"}',
      '{"name":"alice"}',
      '{"user":"alice","sub":"bob"}',
      '{"user":"alice","permissions":{"pub":{"allow":[">"]}}}',
      '[{"user":"alice"}]',
      '"alice"',
    ]) {
      const response = await requestCreds(environment.app, body);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "invalid_request" });
    }
  });

  test("for a user that is given twice, unless the last value is valid", async () => {
    expect((await requestCreds(environment.app, '{"user":"alice","user":"*"}')).status).toBe(422);
    expect((await credentials(environment.app, '{"user":"*","user":"alice"}')).user).toBe("alice");
    expect((await credentials(environment.app, '{"\\u0075ser":"\\u0061lice"}')).user).toBe("alice");
  });

  test("for a tag whose name or value is not one token", async () => {
    for (const text of [...TEXTS, "A".repeat(65)]) {
      const value = await requestCreds(environment.app, {
        user: "alice",
        role: "room",
        tags: { room: text },
      });
      expect(await value.json()).toMatchObject({ status: 422, code: "invalid_tag" });
      const name = await requestCreds(environment.app, {
        user: "alice",
        role: "room",
        tags: { room: "a", [text]: "b" },
      });
      expect(await name.json()).toMatchObject({ status: 422, code: "invalid_tag" });
    }
    for (const json of NOT_TEXTS) {
      const response = await requestCreds(
        environment.app,
        `{"user":"alice","role":"room","tags":{"room":${json}}}`,
      );
      expect(response.status).toBe(400);
    }
  });
});

describe("any string as a user", () => {
  const anything = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[A-Za-z0-9_*>.{}$ -]{1,70}$/),
    fc.stringMatching(/^[A-Za-z0-9_-]{1,70}$/),
  );

  test("is refused, or is one token and gets only that user's subjects", async () => {
    let issued = 0;
    await fc.assert(
      fc.asyncProperty(anything, async (user) => {
        const response = await requestCreds(environment.app, { user });
        if (response.status !== 200) {
          expect(await response.json()).toMatchObject({ status: 422, code: "invalid_user" });
          return;
        }
        issued++;
        const body = (await response.json()) as CredsResponse;
        expect(user).toMatch(/^[\w-]{1,64}$/);
        expect(user).not.toMatch(/[^A-Za-z0-9_-]/);
        expect(body.user).toBe(user);
        expect(decode<User>(body.jwt).name).toBe(user);
        const own = [`_INBOX_${user}.>`, `users.${user}.>`];
        expect(body.permissions as object).toEqual({ pub: { allow: own }, sub: { allow: own } });
        expect(body.inbox_prefix).toBe(`_INBOX_${user}`);
      }),
      { numRuns: 500 },
    );
    expect(issued).toBeGreaterThan(20);
  });
});

describe("a user name that looks like something else", () => {
  for (const user of [
    "__proto__",
    "constructor",
    "toString",
    "-",
    "_",
    "--help",
    "0",
    "null",
    "_INBOX",
    "SYS",
    "sys",
    "a".repeat(64),
  ]) {
    test(`is an ordinary user name: ${user}`, async () => {
      await using observer = await environment.observer();
      await using client = await environment.logIn({ user });
      const seen = await observer.subscribe(">");
      client.nc.publish("users.alice.x");
      client.nc.publish("_INBOX_alice.x");
      client.nc.publish(`users.${user}.x`);
      await flushAll(client, observer);
      expect(seen.subjects).toEqual([`users.${user}.x`]);
    });
  }
});

describe("a tag", () => {
  test("gives access to the room that it names and no other, as enforced by the server", async () => {
    await using observer = await environment.observer();
    await using client = await environment.logIn({ user: "alice", role: "room", tags: { room: "Lobby" } });
    const seen = await observer.subscribe(">");
    for (const room of ["lobby", "Lobby", "cellar"]) client.nc.publish(`room.${room}.x`);
    await flushAll(client, observer);
    expect(seen.subjects).toEqual(["room.Lobby.x"]);
  });

  test("with a second value inside its value gives no access to a second room", async () => {
    for (const room of ["a,room:b", "a room:b", "a:b", "a\nroom:b"]) {
      const response = await requestCreds(environment.app, { user: "alice", role: "room", tags: { room } });
      expect(response.status).toBe(422);
    }
  });

  test("with the name of a property of every object is only a tag", async () => {
    const body = await credentials(
      environment.app,
      '{"user":"alice","role":"room","tags":{"room":"a","__proto__":"b","constructor":"c"}}',
    );
    expect(body.permissions.pub).toEqual({ allow: ["room.a.>"] });
    expect(decode<User>(body.jwt).nats.tags).toEqual(["room:a", "__proto__:b", "constructor:c"]);
  });
});

describe("no credential for a public key", () => {
  test("that is not the public key of a user", async () => {
    const pair = createUser();
    const key = pair.getPublicKey();
    const seed = new TextDecoder().decode(pair.getSeed());
    const { account } = await credentials(environment.app, { user: "alice" });
    for (const wrong of [
      "",
      seed,
      account,
      key.toLowerCase(),
      key.slice(0, -1),
      `${key}A`,
      `${key}=`,
      `${key}\n`,
      ` ${key}`,
      `${key.slice(0, 10)}${key[10] === "A" ? "B" : "A"}${key.slice(11)}`,
      `U${"A".repeat(55)}`,
      key.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
      `\uff35${key.slice(1)}`,
      "*",
      "U".repeat(6000),
    ]) {
      const response = await requestCreds(environment.app, { user: "alice", public_key: wrong });
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ status: 422, code: "invalid_public_key" });
      if (wrong.length > 10) expect(text).not.toContain(wrong.slice(0, 20));
    }
  });
});

/** Hostile text, escaped so that it is harmless to a terminal. */
function escaped(text: string): string {
  const ascii = JSON.stringify(text.slice(0, 70)).replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text.length > 70 ? `${ascii} …` : ascii;
}
