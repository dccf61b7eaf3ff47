import { afterAll, beforeAll, expect, test } from "bun:test";
import { createMint } from "../../src/core/mint.ts";
import { parsePolicy } from "../../src/core/policy/file.ts";
import { compilePolicy } from "../../src/core/policy/rules.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { type Environment, flushAll, logIn, makeEnvironment } from "../mint/parts.ts";

/** The effect of a policy on the server. The identities are those of an application with its own sessions. */

const SESSIONS: Record<string, Record<string, unknown>> = {
  alice: { groups: ["staff"], rooms: ["lobby", "hall"] },
  bob: { groups: ["staff"], rooms: "cellar" },
  carol: { groups: [] },
  mallory: { groups: ["staff"], rooms: ["*", ">", "lobby.>", "{{name()}}"] },
};

let environment: Environment;

beforeAll(async () => {
  environment = await makeEnvironment({
    room: {
      pub: { allow: ["rooms.{{tag(room)}}.{{name()}}.>"] },
      sub: { allow: ["rooms.{{tag(room)}}.>", "_INBOX_{{name()}}.>"] },
    },
  });
});
afterAll(() => environment[Symbol.asyncDispose]());

async function makeClient() {
  const { mint: keys } = await readKeys(environment.recipe.env.KEYS_DIR ?? "");
  const grant = compilePolicy(
    parsePolicy({
      rules: [
        {
          when: { claims: [{ claim: "groups", contains: "staff" }] },
          grant: { role: "room", tags: { room: { claim: "rooms" } }, ttl: 60 },
        },
        { when: {}, grant: { role: "browser" } },
      ],
    }),
    ["sessions"],
  );
  const app = createApp({
    mint: createMint(keys),
    authenticate: (request) => {
      const name = request.headers.get("x-session") ?? "";
      return SESSIONS[name] ? { issuer: "sessions", subject: name, claims: SESSIONS[name] } : null;
    },
    grant,
    servers: { tcp: [environment.url("tcp")], websocket: [environment.url("ws")] },
  });
  return (session: string, body: object = {}) =>
    app.request("/creds", {
      method: "POST",
      headers: { "X-Session": session, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
}

test("each identity reaches the subjects that the policy grants it, and no others", async () => {
  const requestCreds = await makeClient();
  const credential = async (session: string, body?: object) =>
    (await (await requestCreds(session, body)).json()) as CredsResponse;
  const granted = await credential("alice", { tags: { room: "lobby" } });
  expect(granted).toMatchObject({ role: "room", tags: { room: "lobby" } });
  expect(granted.expires_at - granted.issued_at).toBe(60);
  const carols = await credential("carol");
  expect(carols.role).toBe("browser");

  await using observer = await environment.observer();
  await using alice = await logIn(granted, environment.url("tcp"));
  await using carol = await logIn(carols, environment.url("ws"));
  const seen = await observer.subscribe(">");
  const everywhere = [granted.user, carols.user].flatMap((user) => [
    `rooms.lobby.${user}.x`,
    `rooms.hall.${user}.x`,
    `users.${user}.x`,
  ]);
  for (const subject of everywhere) alice.nc.publish(subject);
  await flushAll(alice, observer);
  for (const subject of everywhere) carol.nc.publish(subject);
  await flushAll(carol, observer);
  expect(seen.subjects).toEqual([`rooms.lobby.${granted.user}.x`, `users.${carols.user}.x`]);
});

test("a request for anything that the policy does not grant is refused, whatever the claims are", async () => {
  const requestCreds = await makeClient();
  for (const [session, body, status, code] of [
    ["unknown", {}, 401, "unauthorized"],
    ["alice", {}, 403, "tag_not_allowed"],
    ["alice", { tags: { room: "cellar" } }, 403, "tag_not_allowed"],
    ["alice", { tags: { room: "lobby", other: "x" } }, 403, "tag_not_allowed"],
    ["alice", { user: "bob" }, 403, "user_not_allowed"],
    ["alice", { role: "service" }, 403, "role_not_allowed"],
    ["bob", { tags: { room: "lobby" } }, 403, "tag_not_allowed"],
    ["carol", { role: "room", tags: { room: "lobby" } }, 403, "role_not_allowed"],
    ["mallory", {}, 403, "tag_not_allowed"],
    ["mallory", { tags: { room: "lobby" } }, 403, "tag_not_allowed"],
    ["mallory", { tags: { room: "*" } }, 422, "invalid_tag"],
  ] as const) {
    const response = await requestCreds(session, body);
    expect([session, body, response.status, (await response.json()).code]).toEqual([
      session,
      body,
      status,
      code,
    ]);
  }
});

test("the same identity always has the same user name, and two identities have different ones", async () => {
  const requestCreds = await makeClient();
  const names = await Promise.all(
    ["bob", "carol", "bob", "carol"].map(
      async (session) => ((await (await requestCreds(session)).json()) as CredsResponse).user,
    ),
  );
  expect(names[0]).toBe(names[2] as string);
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(name).toMatch(/^u-[a-z2-7]{32}$/);
});
