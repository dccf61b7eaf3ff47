import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { headers } from "nats";
import { type Client, type Environment, flushAll, makeEnvironment, TIMEOUT, within } from "./parts.ts";

/** What one user can do to another, with the roles as shipped: nothing. */

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
  describe(`alice, whose role is ${role},`, () => {
    beforeEach(async () => {
      observer = await environment.observer();
      alice = await environment.logIn({ user: "alice", role }, transport);
      bob = await environment.logIn({ user: "bob", role }, transport);
    });
    afterEach(async () => {
      for (const client of [alice, bob, observer]) await client.close();
    });

    test("publishes and subscribes on subjects of her own", async () => {
      const received = await alice.subscribe(`${own}.alice.>`);
      const seen = await observer.subscribe(">");
      alice.nc.publish(`${own}.alice.a.b`, "hello");
      await flushAll(alice, observer);
      expect(received.messages).toEqual(["hello"]);
      expect(seen.subjects).toEqual([`${own}.alice.a.b`]);
      expect(alice.denials).toEqual([]);
    });

    test("requests and answers on subjects of her own", async () => {
      alice.nc.subscribe(`${own}.alice.echo`, {
        callback: (_, message) => message.respond(message.data),
      });
      const reply = await alice.nc.request(`${own}.alice.echo`, "anybody there?", { timeout: TIMEOUT });
      expect(reply.string()).toBe("anybody there?");
      expect(reply.subject).toStartWith("_INBOX_alice.");
    });

    test("publishes to nobody else's subjects", async () => {
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
      const how = queue ? `in the queue group ${queue}` : "plainly";
      test(`subscribes to nobody else's subjects and inboxes, ${how}`, async () => {
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

    test("can't read an inbox that she was not given, though replies pass through it", async () => {
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

    test("gets no answer from bob, and bob never hears the question", async () => {
      const asked = await bob.subscribe(`${own}.bob.>`);
      const response = alice.nc.request(`${own}.bob.echo`, "hello bob", { timeout: TIMEOUT }).then(
        () => "answered",
        (error) => error.code,
      );
      expect(await response).toBe("PERMISSIONS_VIOLATION");
      await flushAll(alice, bob);
      expect(asked.messages).toEqual([]);
    });

    test("can't answer for bob, neither on his subjects nor into his inbox", async () => {
      const asked = await alice.subscribe(`${own}.bob.echo`);
      expect(asked.denied).toBe(true);
      // She is even told where the reply is wanted, and tries to be first.
      const question = Promise.withResolvers<string>();
      observer.nc.subscribe(`${own}.bob.echo`, {
        callback: async (_, message) => {
          question.resolve(message.reply ?? "");
          alice.nc.publish(message.reply ?? "", "from alice");
          await flushAll(alice, bob);
          message.respond("from the one who may");
        },
      });
      await observer.nc.flush();
      const reply = await bob.nc.request(`${own}.bob.echo`, "who is it?", { timeout: TIMEOUT });
      expect(reply.string()).toBe("from the one who may");
      expect(alice.denials).toContain(`publish ${await question.promise}`);
    });

    test("can't have her own answer sent to bob by naming him as the one who asked", async () => {
      const received = [
        await bob.subscribe(`${own}.bob.>`),
        await bob.subscribe("_INBOX_bob.>"),
        await observer.subscribe(`${own}.bob.>`),
      ];
      const targets = [`${own}.bob.x`, "_INBOX_bob.x", `${own}.bob.y`];
      const asked = Promise.withResolvers<void>();
      let left = targets.length;
      alice.nc.subscribe(`${own}.alice.trick`, {
        callback: (_, message) => {
          message.respond("from alice");
          if (--left === 0) asked.resolve();
        },
      });
      for (const reply of targets) alice.nc.publish(`${own}.alice.trick`, "", { reply });
      await asked.promise;
      await flushAll(alice, bob, observer);
      expect(received.flatMap(({ messages }) => messages)).toEqual([]);
      expect(alice.denials).toEqual(targets.map((target) => `publish ${target}`));
    });

    test("can't have the server write to bob: no responders, a trace", async () => {
      const received = [await bob.subscribe(`${own}.bob.>`), await bob.subscribe("_INBOX_bob.>")];
      alice.nc.publish(`${own}.alice.nobody`, "", { reply: `${own}.bob.x` });
      alice.nc.publish(`${own}.alice.nobody`, "", { reply: "_INBOX_bob.x" });
      for (const name of ["Nats-Trace-Dest", "nats-trace-dest", "traceparent"]) {
        const traced = headers();
        traced.set(name, `${own}.bob.trace`);
        alice.nc.publish(`${own}.alice.nobody`, "", { headers: traced });
      }
      await flushAll(alice, bob);
      expect(received.flatMap(({ subjects }) => subjects)).toEqual([]);

      // Somebody who may write to bob can have a trace sent to him: it is the permission that makes the difference.
      // The server sends traces one after the other, when it gets round to it: one of alice's would come before this one.
      const arrives = Promise.withResolvers<void>();
      bob.nc.subscribe(`${own}.bob.trace`, { callback: () => arrives.resolve() });
      await bob.nc.flush();
      const traced = headers();
      traced.set("Nats-Trace-Dest", `${own}.bob.trace`);
      observer.nc.publish(`${own}.alice.nobody`, "", { headers: traced });
      await within(arrives.promise, "the trace");
      await bob.nc.flush();
      expect(received.flatMap(({ subjects }) => subjects)).toEqual([`${own}.bob.trace`]);
    });
  });
}

describe("a user's name", () => {
  test("gives a browser nothing of a service of the same name, and the reverse", async () => {
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
