import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { headers } from "nats";
import { type Client, type Environment, flushAll, makeEnvironment, TIMEOUT, within } from "./parts.ts";

/** With the roles as shipped, a user can do nothing to another user. */

let environment: Environment;
let observer: Client;
let alice: Client;
let bob: Client;

beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment[Symbol.asyncDispose]());

for (const { role, own, transport } of [
  { role: "browser", own: "users", transport: "ws" },
  { role: "service", own: "services", transport: "tcp" },
] as const) {
  describe(`a user with the role ${role}`, () => {
    beforeEach(async () => {
      observer = await environment.observer();
      alice = await environment.logIn({ user: "alice", role }, transport);
      bob = await environment.logIn({ user: "bob", role }, transport);
    });
    afterEach(async () => {
      for (const client of [alice, bob, observer]) await client.close();
    });

    test("publishes and subscribes on its own subjects", async () => {
      const received = await alice.subscribe(`${own}.alice.>`);
      const seen = await observer.subscribe(">");
      alice.nc.publish(`${own}.alice.a.b`, "hello");
      await flushAll(alice, observer);
      expect(received.messages).toEqual(["hello"]);
      expect(seen.subjects).toEqual([`${own}.alice.a.b`]);
      expect(alice.denials).toEqual([]);
    });

    test("requests and responds on its own subjects", async () => {
      alice.nc.subscribe(`${own}.alice.echo`, {
        callback: (_, message) => message.respond(message.data),
      });
      const reply = await alice.nc.request(`${own}.alice.echo`, "hello", { timeout: TIMEOUT });
      expect(reply.string()).toBe("hello");
      expect(reply.subject).toStartWith("_INBOX_alice.");
    });

    test("can't publish to the subjects of others", async () => {
      const forbidden = [
        `${own}.bob.x`,
        `${own}.bob`,
        `${own}.alice`,
        own,
        `${own}.alicex.x`,
        `${own}.Alice.x`,
        `${own}.*.x`,
        `${own}.alic*.x`,
        `${own}.>`,
        "x",
        "alice.x",
        "_INBOX.x",
        "_INBOX_bob.x",
        "_INBOX_alice",
        "_INBOX_*.x",
        `${own === "users" ? "services" : "users"}.alice.x`,
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.ACCOUNT.PING",
        "$SYS.REQ.USER.INFO",
        "$JS.API.INFO",
        "$JS.API.STREAM.CREATE.X",
        "$JS.ACK.X.Y.1.1.1.1.1",
        "$JS.FC.X.Y.Z",
        "$KV.X.y",
        "$NRG.X",
        "$G",
      ];
      const seen = await observer.subscribe(">");
      for (const subject of forbidden) alice.nc.publish(subject, "from alice");
      alice.nc.publish(`${own}.alice.last`);
      await flushAll(alice, observer);
      expect(seen.subjects).toEqual([`${own}.alice.last`]);
      expect(alice.denials).toEqual(forbidden.map((subject) => `publish ${subject}`));
    });

    const listening = [
      `${own}.bob.>`,
      `${own}.bob.x`,
      `${own}.bob.*`,
      `${own}.*.x`,
      `${own}.*.>`,
      `${own}.>`,
      "*.bob.x",
      "*.*.x",
      "*.>",
      ">",
      "*",
      "_INBOX.>",
      "_INBOX_bob.>",
      "_INBOX_bob.*",
      "_INBOX_bob.x",
      "_INBOX_*.>",
      "_INBOX_bo*.>",
      "*.x",
      `${own === "users" ? "services" : "users"}.alice.>`,
      "$SYS.>",
      "$SYS.ACCOUNT.>",
      "$JS.>",
      "$JS.API.>",
      "$JS.EVENT.ADVISORY.>",
      "$KV.>",
    ];
    for (const queue of [undefined, "workers", "*", ">"]) {
      const how = queue ? `in the queue group ${queue}` : "without a queue group";
      test(`can't subscribe to the subjects and inboxes of others, ${how}`, async () => {
        const received = [];
        for (const subject of listening) {
          const subscription = await alice.subscribe(subject, queue);
          received.push({ subject, subscription });
        }
        for (const subject of [`${own}.bob.x`, "_INBOX_bob.x", "_INBOX.x", "$KV.b.k"]) {
          observer.nc.publish(subject, "for bob");
        }
        bob.nc.publish(`${own}.bob.x`, "for bob");
        await flushAll(bob, observer, alice);
        for (const { subject, subscription } of received) {
          expect({ subject, ...subscription }).toEqual({ subject, messages: [], subjects: [], denied: true });
        }
      });
    }

    test("can't read the inbox of another user while it receives replies", async () => {
      const listeners = [];
      for (const subject of ["_INBOX_bob.>", "_INBOX_*.>", "_INBOX_bob.*.*", ">"]) {
        listeners.push(await alice.subscribe(subject));
      }
      bob.nc.subscribe(`${own}.bob.secret`, { callback: (_, message) => message.respond("a secret") });
      const reply = await bob.nc.request(`${own}.bob.secret`, "", { timeout: TIMEOUT });
      await flushAll(bob, alice);
      expect(reply.string()).toBe("a secret");
      expect(listeners.flatMap(({ messages }) => messages)).toEqual([]);
    });

    test("can't send a request to another user, which receives nothing", async () => {
      const requests = await bob.subscribe(`${own}.bob.>`);
      const response = alice.nc.request(`${own}.bob.echo`, "hello bob", { timeout: TIMEOUT }).then(
        () => "response",
        (error) => error.code,
      );
      expect(await response).toBe("PERMISSIONS_VIOLATION");
      await flushAll(alice, bob);
      expect(requests.messages).toEqual([]);
    });

    test("can't respond for another user, neither on its subjects nor to its inbox", async () => {
      const requests = await alice.subscribe(`${own}.bob.echo`);
      expect(requests.denied).toBe(true);
      // Alice knows the reply subject, and tries to respond first.
      const replySubject = Promise.withResolvers<string>();
      observer.nc.subscribe(`${own}.bob.echo`, {
        callback: async (_, message) => {
          replySubject.resolve(message.reply ?? "");
          alice.nc.publish(message.reply ?? "", "from alice");
          await flushAll(alice, bob);
          message.respond("from the observer");
        },
      });
      await observer.nc.flush();
      const reply = await bob.nc.request(`${own}.bob.echo`, "hello", { timeout: TIMEOUT });
      expect(reply.string()).toBe("from the observer");
      expect(alice.denials).toContain(`publish ${await replySubject.promise}`);
    });

    test("can't make its own service respond to another user by a forged reply subject", async () => {
      const received = [
        await bob.subscribe(`${own}.bob.>`),
        await bob.subscribe("_INBOX_bob.>"),
        await observer.subscribe(`${own}.bob.>`),
      ];
      const targets = [`${own}.bob.x`, "_INBOX_bob.x", `${own}.bob.y`];
      const handled = Promise.withResolvers<void>();
      let left = targets.length;
      alice.nc.subscribe(`${own}.alice.trick`, {
        callback: (_, message) => {
          message.respond("from alice");
          if (--left === 0) handled.resolve();
        },
      });
      for (const reply of targets) alice.nc.publish(`${own}.alice.trick`, "", { reply });
      await handled.promise;
      await flushAll(alice, bob, observer);
      expect(received.flatMap(({ messages }) => messages)).toEqual([]);
      expect(alice.denials).toEqual(targets.map((target) => `publish ${target}`));
    });

    test("can't make the server send to another user: no responders, a trace", async () => {
      const received = [await bob.subscribe(`${own}.bob.>`), await bob.subscribe("_INBOX_bob.>")];
      alice.nc.publish(`${own}.alice.unused`, "", { reply: `${own}.bob.x` });
      alice.nc.publish(`${own}.alice.unused`, "", { reply: "_INBOX_bob.x" });
      for (const name of ["Nats-Trace-Dest", "nats-trace-dest", "traceparent"]) {
        const traced = headers();
        traced.set(name, `${own}.bob.trace`);
        alice.nc.publish(`${own}.alice.unused`, "", { headers: traced });
      }
      await flushAll(alice, bob);
      expect(received.flatMap(({ subjects }) => subjects)).toEqual([]);

      // A client that may publish to bob can have a trace sent there: the permission makes the difference.
      // The server sends traces in order, some time later: one of alice's would arrive before this one.
      const arrives = Promise.withResolvers<void>();
      bob.nc.subscribe(`${own}.bob.trace`, { callback: () => arrives.resolve() });
      await bob.nc.flush();
      const traced = headers();
      traced.set("Nats-Trace-Dest", `${own}.bob.trace`);
      observer.nc.publish(`${own}.alice.unused`, "", { headers: traced });
      await within(arrives.promise, "the trace");
      await bob.nc.flush();
      expect(received.flatMap(({ subjects }) => subjects)).toEqual([`${own}.bob.trace`]);
    });
  });
}

describe("a browser and a service of the same name", () => {
  test("have no access to each other's subjects", async () => {
    await using browser = await environment.logIn({ user: "orders", role: "browser" });
    await using service = await environment.logIn({ user: "orders", role: "service" });
    const toService = await service.subscribe("services.orders.>");
    const toBrowser = await browser.subscribe("users.orders.>");
    browser.nc.publish("services.orders.x");
    service.nc.publish("users.orders.x");
    await flushAll(browser, service);
    await flushAll(service, browser);
    expect([...toService.subjects, ...toBrowser.subjects]).toEqual([]);
    expect((await browser.subscribe("services.orders.>")).denied).toBe(true);
    expect((await service.subscribe("users.orders.>")).denied).toBe(true);
  });
});
