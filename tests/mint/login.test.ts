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

/** By which connections and for how long a credential can log in, and its limits. */

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
        return "accepted";
      },
      ({ code }) => code,
    );

  test("allow the browser role WebSocket only", async () => {
    expect(await tryLogin("browser", "ws")).toBe("accepted");
    expect(await tryLogin("browser", "tcp")).toBe("AUTHORIZATION_VIOLATION");
  });

  test("allow the service role both transports", async () => {
    expect(await tryLogin("service", "ws")).toBe("accepted");
    expect(await tryLogin("service", "tcp")).toBe("accepted");
  });

  test("determine the servers in the response: each of them accepts the login, and none is missing", async () => {
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
  test("end the connection of a client that sends more than the maximum payload", async () => {
    await using alice = await environment.logIn({ user: "alice" });
    const received = await alice.subscribe("users.alice.>");
    alice.nc.publish("users.alice.full", new Uint8Array(65_536));
    await alice.nc.flush();
    expect(received.subjects).toEqual(["users.alice.full"]);

    // The client knows the limit and would refuse to send more, so its copy of the limit is raised.
    expect(alice.nc.info?.max_payload).toBe(65_536);
    Object.assign(alice.nc.info ?? {}, { max_payload: 1e6 });
    const closed = alice.nc.closed();
    alice.nc.publish("users.alice.more", new Uint8Array(65_537));
    await within(Promise.resolve(closed), "the end of the connection");
    expect(received.subjects).toEqual(["users.alice.full"]);
  });

  test("allow 200 subscriptions and no more", async () => {
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

describe("the expiry of a credential", () => {
  /** A mint whose clock is behind, so that five to six seconds are left of the shortest lifetime. */
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
    // Within the last second the server still accepts the login, and ends the connection at once.
    while (Date.now() / 1000 < login.expires_at + 1) {
      await untilEnded().catch(({ code }) => expect(code).toMatch(/^AUTH/));
    }
    expect(await refusal(login, environment.url(transport))).toBe("AUTHORIZATION_VIOLATION");
  }

  test("ends the connection for each role and transport, and a new login is refused", async () => {
    await Promise.all([expectEnd("browser", "ws"), expectEnd("service", "tcp")]);
  });
});

describe("a credential is refused by the server", () => {
  test("with the seed of another key pair", async () => {
    const alices = await credentials(environment.app, { user: "alice" });
    const bobs = await credentials(environment.app, { user: "bob" });
    expect(await refusal({ ...alices, ...(bobs.seed && { seed: bobs.seed }) })).toBe(
      "AUTHORIZATION_VIOLATION",
    );
  });

  test("when any of its claims was changed", async () => {
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

  test("when a stolen role key signs more than its role: permissions, limits, other transports", async () => {
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
    // The same key and claims without the additions are accepted, so the additions are the reason.
    await using _ = await logIn(await forge({}, true));
  });
});
