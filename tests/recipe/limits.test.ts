import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect as openSocket } from "node:net";
import { join } from "node:path";
import { credsAuthenticator } from "nats";
import { fromSeed } from "nkeys.js";
import type { CredsResponse } from "../../src/index.ts";
import {
  bytes,
  type Client,
  connect,
  credentials,
  type Environment,
  logIn,
  makeEnvironment,
} from "../mint/parts.ts";
import { expectSuccess } from "./recipe.ts";

/** How much of the server one client with a credential can use up, and what is left for others. */

const MEGABYTE = 2 ** 20;
const MAX_PENDING = 8 * MEGABYTE;
const ACCOUNT_CONNECTIONS = 12;

let environment: Environment;
let mallory: CredsResponse;

beforeAll(async () => {
  environment = await makeEnvironment();
  mallory = await credentials(environment.app, { user: "mallory", role: "service" });
});

afterAll(() => environment?.[Symbol.asyncDispose]());

/** A client that sends any protocol lines, and reads only as long as it isn't paused. */
async function rawClient(port: number, { jwt, seed = "" }: CredsResponse) {
  const socket = openSocket(port, "127.0.0.1");
  let received = "";
  const listeners = new Set<() => void>();
  socket.on("data", (data) => {
    received += data;
    for (const listener of listeners) listener();
  });
  socket.on("error", () => {});
  const until = (pattern: RegExp) => {
    const { promise, resolve } = Promise.withResolvers<string[]>();
    const look = () => {
      const found = pattern.exec(received);
      if (found) resolve(found);
    };
    listeners.add(look);
    look();
    return promise;
  };
  const [, info = ""] = await until(/^INFO (.*)\r\n/);
  const sig = Buffer.from(fromSeed(bytes(seed)).sign(bytes(JSON.parse(info).nonce))).toString("base64url");
  const options = { verbose: false, pedantic: false, protocol: 1, headers: true, lang: "raw", version: "1" };
  socket.write(`CONNECT ${JSON.stringify({ ...options, jwt, sig })}\r\nPING\r\n`);
  await until(/PONG\r\n/);
  return { id: JSON.parse(info).client_id as number, socket, until };
}

interface Connz {
  readonly connections: { readonly cid: number; readonly pending_bytes: number }[];
}

const monitor = async <T>(path: string) =>
  (await (await fetch(environment.recipe.monitoring() + path)).json()) as T;

const slowConsumers = async () => (await monitor<{ slow_consumers: number }>("/varz")).slow_consumers;

describe("a connection", () => {
  test("that doesn't read is closed when 8 MB are pending for it, regardless of its number of subscriptions", async () => {
    const { id, socket } = await rawClient(environment.recipe.ports.nats, mallory);
    await using sender = await environment.logIn({ user: "mallory", role: "service" }, "tcp");
    socket.pause();
    const subscriptions = Array.from({ length: 1000 }, (_, sid) => `SUB services.mallory.x ${sid + 1}\r\n`);
    await new Promise((resolve) => socket.write(subscriptions.join(""), resolve));
    const most = { pending: 0 };
    while ((await slowConsumers()) === 0) {
      sender.nc.publish("services.mallory.x", new Uint8Array(60_000));
      await sender.nc.flush();
      const { connections } = await monitor<Connz>("/connz?state=any");
      const pending = connections.find(({ cid }) => cid === id)?.pending_bytes ?? 0;
      most.pending = Math.max(most.pending, pending);
    }
    expect(most.pending).toBeGreaterThan(MEGABYTE);
    expect(most.pending).toBeLessThanOrEqual(MAX_PENDING + 100_000);
    socket.destroy();
  });

  test("can't have a subscription of more than 32 tokens, each of which takes memory", async () => {
    const { socket, until } = await rawClient(environment.recipe.ports.nats, mallory);
    const subject = (tokens: number) => `services.mallory${".a".repeat(tokens - 2)}`;
    socket.write(`SUB ${subject(33)} 1\r\nSUB ${subject(32)} 2\r\nPUB ${subject(32)} 2\r\nhi\r\nPING\r\n`);
    await until(/-ERR 'Permissions Violation for Subscription to .*, too many tokens'/);
    await until(/MSG \S+ 2 2\r\nhi\r\n/);
    socket.destroy();
  });

  test("with any shipped role has a limit of subscriptions", () => {
    for (const { key, role, template } of environment.recipe
      .account()
      .nats.signing_keys.filter((key) => typeof key !== "string")) {
      expect([role, key, template.subs]).toEqual([role, key, expect.any(Number)]);
      expect([role, Number(template.subs) > 0]).toEqual([role, true]);
    }
  });
});

test("the server collects garbage more often from NATS_GOMEMLIMIT on", async () => {
  const { gomemlimit } = await monitor<{ gomemlimit: number }>("/varz");
  expect(gomemlimit).toBe(1700 * MEGABYTE);
});

describe("an account all of whose connections one credential has taken", () => {
  const clients: Client[] = [];
  let page: CredsResponse;

  beforeAll(async () => {
    environment.recipe.env.NATS_ACCOUNT_CONNECTIONS = String(ACCOUNT_CONNECTIONS);
    environment.recipe.env.NATS_MAX_CONNECTIONS = String(ACCOUNT_CONNECTIONS + 10);
    await environment.recipe.stopServer();
    await environment.recipe.up();
    page = await credentials(environment.app, { user: "eve" });
    while (clients.length < ACCOUNT_CONNECTIONS) clients.push(await logIn(page, environment.url("ws")));
  });

  afterAll(() => Promise.all(clients.map((client) => client.close())));

  test("accepts no other login", async () => {
    for (const way of ["ws", "tcp"] as const) {
      const role = way === "ws" ? "browser" : "service";
      // The server closes the connection after its error, which the client may no longer be able to read.
      await expect(environment.logIn({ user: "alice", role }, way)).rejects.toThrow();
    }
    const log = readFileSync(join(environment.recipe.dir, "nats-server.log"), "utf8");
    expect(log).toContain("maximum account active connections exceeded");
  });

  test("leaves room for logins of the system account", async () => {
    const creds = join(environment.recipe.dir, "nsc/current/keys/creds/nats-mint/SYS/sys.creds");
    const authenticator = credsAuthenticator(readFileSync(creds));
    const several = await Promise.all(
      Array.from({ length: 10 }, () => connect(environment.url("tcp"), { authenticator })),
    );
    for (const nc of several) await nc.close();
  });

  test("does not stop a start, which reports what it could not check", async () => {
    const output = await environment.recipe.up();
    expect(output).toContain(
      "account app has all the connections that it may have, NATS_ACCOUNT_CONNECTIONS",
    );
    expect(output).toContain("nats-push: nothing to push: all is in force");
    expect(clients.filter(({ nc }) => nc.isClosed())).toEqual([]);
  });

  test("accepts logins again once that credential is revoked", async () => {
    const key = /"sub":"(U\w+)"/.exec(Buffer.from(page.jwt.split(".")[1] ?? "", "base64url").toString())?.[1];
    expectSuccess(await environment.recipe.nsc("revocations", "add-user", "-a", "app", "-u", key ?? ""));
    expect(await environment.recipe.up()).not.toContain("has all the connections that it may have");
    await Promise.all(clients.map(({ nc }) => nc.closed()));
    await (await environment.logIn({ user: "alice" })).close();
  });
});
