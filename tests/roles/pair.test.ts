import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Environment, flushAll, makeEnvironment } from "../mint/parts.ts";

/** The roles `page` and `backend`: what one publishes the other receives, and neither can do more. */

let environment: Environment;
beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment?.[Symbol.asyncDispose]());

const logIn = (user: string, role: string) =>
  environment.logIn({ user, role }, role === "page" ? "ws" : "tcp");

test("a page asks, and backends of one queue group reply once, to the page that asked only", async () => {
  await using alice = await logIn("alice", "page");
  await using bob = await logIn("bob", "page");
  await using first = await logIn("clock-1", "backend");
  await using second = await logIn("clock-2", "backend");
  const toBob = await bob.subscribe("reply.bob.>");
  let replies = 0;
  for (const { nc } of [first, second]) {
    nc.subscribe("ask.*.time", {
      queue: "clock",
      callback(_, question) {
        replies++;
        const user = question.subject.split(".")[1];
        if (question.reply?.startsWith(`reply.${user}.`)) question.respond(`for ${user}`);
      },
    });
    await nc.flush();
  }
  const reply = await alice.nc.request("ask.alice.time");
  expect([reply.string(), replies]).toEqual(["for alice", 1]);
  expect(reply.subject).toStartWith("reply.alice.");
  expect(toBob.messages).toEqual([]);
  for (const client of [alice, bob, first, second]) expect(client.denials).toEqual([]);
});

test("a backend sends a message to one page, which only a backend could have sent", async () => {
  await using alice = await logIn("alice", "page");
  await using bob = await logIn("bob", "page");
  await using backend = await logIn("news", "backend");
  const received = await alice.subscribe("tell.alice.>");
  const others = await bob.subscribe("tell.bob.>");
  bob.nc.publish("tell.alice.x", "forged");
  await flushAll(bob, alice);
  backend.nc.publish("tell.alice.x", "hello");
  await flushAll(backend, alice, bob);
  expect([received.messages, others.messages]).toEqual([["hello"], []]);
  expect(bob.denials).toEqual(["publish tell.alice.x"]);
});

interface Rights {
  readonly role: string;
  readonly may: string[];
  readonly mayNot: string[];
  readonly receives: string[];
  readonly receivesNot: string[];
}

describe.each<Rights>([
  {
    role: "page",
    may: ["users.alice.x", "ask.alice.x", "ask.alice.x.y"],
    mayNot: [
      ...["ask.bob.x", "ask.alice", "ask.*.x", "ask.>", "ask.alicex.x", "ask"],
      ...["reply.alice.x", "reply.bob.x", "tell.alice.x", "tell.bob.x", "users.bob.x"],
    ],
    receives: ["users.alice.>", "reply.alice.>", "tell.alice.>", "tell.alice.x"],
    receivesNot: [
      ...["ask.alice.>", "ask.*.>", "ask.>", "reply.bob.>", "reply.*.>", "reply.>", "reply.*"],
      ...["tell.bob.>", "tell.>", "users.bob.>", "_INBOX.>", "_INBOX_alice.>", ">"],
    ],
  },
  {
    role: "backend",
    may: ["reply.alice.x", "reply.bob.x.y", "tell.bob.x"],
    mayNot: [
      "ask.alice.x",
      "users.alice.x",
      "reply.alice",
      "tell.alice",
      "_INBOX_alice.x",
      "_INBOX.x",
      "services.x.y",
    ],
    receives: ["ask.*.>", "ask.*.time", "ask.bob.>"],
    receivesNot: ["reply.>", "reply.*.>", "tell.>", "users.>", "ask.>", "ask.*", "_INBOX.>", ">"],
  },
])("a user with the role $role", ({ role, may, mayNot, receives, receivesNot }) => {
  const api = [
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.ACK.X.Y.1.1.1.1.1",
    "$KV.X.y",
    "$SYS.REQ.USER.INFO",
    "x",
  ];

  test("publishes there, and nowhere else", async () => {
    await using observer = await environment.observer();
    await using alice = await logIn("alice", role);
    const seen = await observer.subscribe(">");
    for (const subject of [...mayNot, ...api, ...may]) alice.nc.publish(subject, "");
    await flushAll(alice, observer);
    expect(seen.subjects).toEqual(may);
    expect(alice.denials).toEqual([...mayNot, ...api].map((subject) => `publish ${subject}`));
  });

  test("subscribes there, and nowhere else", async () => {
    await using alice = await logIn("alice", role);
    for (const subject of receives)
      expect([subject, (await alice.subscribe(subject)).denied]).toEqual([subject, false]);
    for (const subject of [...receivesNot, "$JS.EVENT.>", "$SYS.>"]) {
      expect([subject, (await alice.subscribe(subject)).denied]).toEqual([subject, true]);
    }
  });
});

test("a page connects over a WebSocket only", async () => {
  await expect(environment.logIn({ user: "alice", role: "page" }, "tcp")).rejects.toThrow(/Authorization/i);
});
