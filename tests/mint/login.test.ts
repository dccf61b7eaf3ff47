import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createUser, encodeUser, fromSeed } from "@nats-io/jwt";
import { readKeys } from "../../src/files/exported-keys.ts";
import {
  bytes,
  credentials,
  type Environment,
  flushAll,
  logIn,
  makeEnvironment,
  refusal,
  type Transport,
  within,
} from "./parts.ts";

/** How a credential lets in, how long, and how much may then be sent. */

let environment: Environment;

beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment[Symbol.asyncDispose]());

describe("a role's connection types", () => {
  const tryLogin = (role: string, transport: Transport) =>
    environment.logIn({ user: "alice", role }, transport).then(
      async (client) => {
        await client.close();
        return "in";
      },
      ({ code }) => code,
    );

  test("let the browser role in over WebSocket only", async () => {
    expect(await tryLogin("browser", "ws")).toBe("in");
    expect(await tryLogin("browser", "tcp")).toBe("AUTHORIZATION_VIOLATION");
  });

  test("let the service role in either way", async () => {
    expect(await tryLogin("service", "ws")).toBe("in");
    expect(await tryLogin("service", "tcp")).toBe("in");
  });

  test("are what the servers in the answer go by: every one of them lets in, and none is left out", async () => {
    for (const [role, count] of [
      ["browser", 1],
      ["service", 2],
    ] as const) {
      const login = await credentials(environment.app, { user: "alice", role });
      expect(login.servers).toHaveLength(count);
      for (const server of login.servers) {
        const client = await logIn(login, server);
        await client.close();
      }
    }
  });
});

describe("a role's limits", () => {
  test("end the connection of a client that sends more than its payload", async () => {
    await using alice = await environment.logIn({ user: "alice" });
    const received = await alice.subscribe("users.alice.>");
    alice.nc.publish("users.alice.full", new Uint8Array(65_536));
    await alice.nc.flush();
    expect(received.subjects).toEqual(["users.alice.full"]);

    // The client was told, and would stop here by itself; this one doesn't care.
    expect(alice.nc.info?.max_payload).toBe(65_536);
    Object.assign(alice.nc.info ?? {}, { max_payload: 1e6 });
    const closed = alice.nc.closed();
    alice.nc.publish("users.alice.more", new Uint8Array(65_537));
    await within(Promise.resolve(closed), "the end of the connection");
    expect(received.subjects).toEqual(["users.alice.full"]);
  });

  test("stop at 200 subscriptions", async () => {
    await using observer = await environment.observer();
    await using alice = await environment.logIn({ user: "alice" });
    const received: string[] = [];
    for (let i = 1; i <= 201; i++) {
      alice.nc.subscribe(`users.alice.${i}`, { callback: (_, { subject }) => received.push(subject) });
    }
    await alice.nc.flush();
    for (const i of [1, 200, 201]) observer.nc.publish(`users.alice.${i}`);
    await flushAll(observer, alice);
    expect(received).toEqual(["users.alice.1", "users.alice.200"]);
  });
});

describe("a credential's end", () => {
  /** Five to six seconds are left of the shortest lifetime there is. */
  const aboutToEnd = () => environment.makeApp(() => Date.now() - 4000);

  async function expectEnd(role: string, transport: Transport): Promise<void> {
    const login = await credentials(aboutToEnd(), { user: "alice", role, ttl: 10 });
    const untilEnded = async () => {
      await using alice = await logIn(login, environment.url(transport));
      const error = await within(Promise.resolve(alice.nc.closed()), "the end of the connection");
      expect(error).toMatchObject({ code: "AUTHENTICATION_EXPIRED" });
    };
    await untilEnded();
    expect(Math.round(Date.now() / 1000)).toBeGreaterThanOrEqual(login.expires_at);
    // Within its last second the server still lets it in, and ends the connection at once.
    while (Date.now() / 1000 < login.expires_at + 1) {
      await untilEnded().catch(({ code }) => expect(code).toMatch(/^AUTH/));
    }
    expect(await refusal(login, environment.url(transport))).toBe("AUTHORIZATION_VIOLATION");
  }

  test("ends the connection, whatever the role and the way in, and it can't log in again", async () => {
    await Promise.all([expectEnd("browser", "ws"), expectEnd("service", "tcp")]);
  });
});

describe("a credential is refused by the server", () => {
  test("without the seed it was made for", async () => {
    const mine = await credentials(environment.app, { user: "alice" });
    const yours = await credentials(environment.app, { user: "bob" });
    expect(await refusal({ ...mine, ...(yours.seed && { seed: yours.seed }) })).toBe(
      "AUTHORIZATION_VIOLATION",
    );
  });

  test("when anything in it was changed", async () => {
    const login = await credentials(environment.app, { user: "alice" });
    const [header, body = "", signature] = login.jwt.split(".");
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    for (const changed of [
      { ...claims, name: "bob" },
      { ...claims, exp: claims.exp + 3600 },
      { ...claims, nats: { ...claims.nats, tags: ["room:a"] } },
      { ...claims, nats: { ...claims.nats, pub: { allow: [">"] } } },
    ]) {
      const part = Buffer.from(JSON.stringify(changed)).toString("base64url");
      expect(await refusal({ ...login, jwt: `${header}.${part}.${signature}` })).toBe(
        "AUTHORIZATION_VIOLATION",
      );
    }
  });

  test("when a stolen role key signs more than its role: permissions, limits, other ways in", async () => {
    const { mint } = await readKeys(environment.recipe.env.KEYS_DIR ?? "");
    const signer = fromSeed(bytes(mint.roles.browser?.seed ?? ""));
    const { account } = await credentials(environment.app, { user: "alice" });
    const forge = async (more: object, scopedUser: boolean) => {
      const pair = createUser();
      const jwt = await encodeUser("alice", pair, { getPublicKey: () => account } as never, more, {
        signer,
        scopedUser,
      });
      return { jwt, seed: new TextDecoder().decode(pair.getSeed()), servers: [environment.url("ws")] };
    };
    for (const more of [
      { pub: { allow: [">"] }, sub: { allow: [">"] } },
      { subs: -1 },
      { allowed_connection_types: ["STANDARD", "WEBSOCKET"] },
    ]) {
      expect(await refusal(await forge(more, false))).toBe("AUTHORIZATION_VIOLATION");
    }
    // The same key and the same claims without the extras: it is they that are refused.
    await using _ = await logIn(await forge({}, true));
  });
});
