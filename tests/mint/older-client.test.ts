import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createUser, encodeUser, fmtCreds, fromSeed, type User } from "@nats-io/jwt";
import type { NatsError } from "nats";
import { connect, credsAuthenticator, JSONCodec, type NatsConnection, StringCodec } from "nats.ws";
import { accountEnv, bytes, type Environment, makeEnvironment, TIMEOUT } from "./parts.ts";

/**
 * A client without the mint: it reads `.env.account`, signs a JWT with permissions of its own choice, and connects to
 * the WebSocket. It shares no code with the other tests, since such a client has no code of this project.
 */

let environment: Environment;
let account: Record<string, string>;

beforeAll(async () => {
  environment = await makeEnvironment();
  account = await accountEnv(environment.recipe);
});
afterAll(() => environment[Symbol.asyncDispose]());

async function makeCreds(name: string, user: Partial<User>): Promise<Uint8Array> {
  const { NATS_ACCOUNT_KEY = "", NATS_ACCOUNT_SECRET = "" } = account;
  const userKey = createUser();
  const jwt = await encodeUser(
    name,
    userKey,
    fromSeed(bytes(NATS_ACCOUNT_SECRET)),
    { issuer_account: NATS_ACCOUNT_KEY, ...user },
    { exp: Math.floor(Date.now() / 1000) + 3600 },
  );
  return fmtCreds(jwt, userKey);
}

async function logIn(user: Partial<User>, name = "client"): Promise<NatsConnection> {
  return connect({
    servers: environment.url("ws"),
    authenticator: credsAuthenticator(await makeCreds(name, user)),
    timeout: TIMEOUT,
    reconnect: false,
  });
}

const SESSION = {
  pub: { allow: ["session.alice.>", "_INBOX.>"] },
  sub: { allow: ["session.alice.>", "_INBOX.>"] },
};

describe("a client of the older recipe", () => {
  test("finds the account's identity and the seed of one of its signing keys in .env.account, and nothing else", () => {
    const { NATS_ACCOUNT_KEY = "", NATS_ACCOUNT_SECRET = "", ...rest } = account;
    expect(rest).toEqual({});
    const claims = environment.recipe.account();
    expect(NATS_ACCOUNT_KEY).toBe(claims.sub);
    const signingKey = fromSeed(bytes(NATS_ACCOUNT_SECRET)).getPublicKey();
    expect(claims.nats.signing_keys.filter((key) => typeof key === "string")).toEqual([signingKey]);
  });

  test("with inline permissions publishes, subscribes and sends requests within them", async () => {
    const nc = await logIn(SESSION);
    const { encode, decode } = StringCodec();
    const subscription = nc.subscribe("session.alice.>", { max: 1 });
    nc.publish("session.alice.hello", encode("hello"));
    for await (const message of subscription) expect(decode(message.data)).toBe("hello");

    nc.subscribe("session.alice.echo", { callback: (_, message) => message.respond(message.data) });
    const reply = await nc.request("session.alice.echo", JSONCodec().encode({ a: 1 }), { timeout: TIMEOUT });
    expect(JSONCodec().decode(reply.data)).toEqual({ a: 1 });
    await nc.close();
  });

  test("with inline permissions can do nothing beyond them", async () => {
    const nc = await logIn(SESSION);
    const refused: string[] = [];
    const status = nc.status();
    void (async () => {
      for await (const { permissionContext: denied } of status) {
        if (denied) refused.push(`${denied.operation} ${denied.subject}`);
      }
    })();
    nc.publish("session.bob.hello");
    nc.subscribe("session.bob.>");
    await nc.flush();
    await nc.flush();
    expect(refused).toEqual(["publish session.bob.hello", "subscription session.bob.>"]);
    await nc.close();
  });

  test("uses JetStream: a stream, a consumer, and a key-value bucket", async () => {
    const nc = await logIn({ pub: { allow: [">"] }, sub: { allow: [">"] } });
    const manager = await nc.jetstreamManager();
    await manager.streams.add({ name: "ORDERS", subjects: ["orders.>"] });
    const jetstream = nc.jetstream();
    for (const text of ["one", "two", "three"]) await jetstream.publish("orders.new", bytes(text));
    await manager.consumers.add("ORDERS", { durable_name: "reader", ack_policy: "explicit" as never });
    const consumer = await jetstream.consumers.get("ORDERS", "reader");
    const read: string[] = [];
    for await (const message of await consumer.fetch({ max_messages: 3, expires: TIMEOUT })) {
      read.push(message.string());
      await message.ackAck();
    }
    expect(read).toEqual(["one", "two", "three"]);

    const bucket = await jetstream.views.kv("settings");
    await bucket.put("color", bytes("blue"));
    expect((await bucket.get("color"))?.string()).toBe("blue");

    const { limits } = await manager.getAccountInfo();
    expect(limits).toMatchObject({ max_streams: 100, max_consumers: 1000 });
    await nc.close();
  });

  test("keeps its JetStream messages and its creds file over a restart of the server", async () => {
    const creds = await makeCreds("client", { pub: { allow: [">"] }, sub: { allow: [">"] } });
    const again = () =>
      connect({ servers: environment.url("ws"), authenticator: credsAuthenticator(creds), timeout: TIMEOUT });
    const before = await again();
    const manager = await before.jetstreamManager();
    await manager.streams.add({ name: "KEPT", subjects: ["kept.>"] });
    await before.jetstream().publish("kept.x", bytes("still here"));
    await before.close();

    await environment.recipe.stopServer();
    await environment.recipe.startServer();

    const after = await again();
    const message = await (await after.jetstreamManager()).streams.getMessage("KEPT", { seq: 1 });
    expect(new TextDecoder().decode(message.data)).toBe("still here");
    await after.close();
  });
});

describe("a JWT without permissions", () => {
  test("allows nothing, instead of everything", async () => {
    await using observer = await environment.observer();
    const seen = await observer.subscribe(">");
    const nc = await logIn({});
    const refused: (string | undefined)[] = [];
    for (const subject of [">", "session.alice.>", "_INBOX.>", "$SYS.>"]) {
      nc.subscribe(subject, { callback: (error: NatsError | null) => refused.push(error?.code) });
    }
    for (const subject of ["session.alice.x", "x", "$JS.API.INFO"]) nc.publish(subject);
    await nc.flush();
    await observer.nc.flush();
    expect(refused).toEqual(Array(4).fill("PERMISSIONS_VIOLATION"));
    expect(seen.subjects).toEqual([]);
    await expect(nc.request("$JS.API.INFO", "", { timeout: 1000 })).rejects.toThrow();
    await nc.close();
  });
});

describe("the WebSocket", () => {
  const dial = (origin: string | undefined) =>
    new Promise<string>((resolve) => {
      const headers = origin === undefined ? {} : { headers: { Origin: origin } };
      const socket = new WebSocket(environment.url("ws"), headers as never);
      socket.onopen = () => {
        socket.close();
        resolve("open");
      };
      socket.onerror = () => resolve("refused");
    });

  test("accepts programs without an Origin, and pages of the allowed origins only", async () => {
    expect(await dial(undefined)).toBe("open");
    expect(await dial("http://localhost:8080")).toBe("open");
    for (const foreign of [
      "https://evil.example.com",
      "http://localhost:8082",
      "https://localhost:8080",
      "http://localhost:8080.evil.example.com",
      "null",
    ]) {
      expect({ foreign, outcome: await dial(foreign) }).toEqual({ foreign, outcome: "refused" });
    }
  });
});
