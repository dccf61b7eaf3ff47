import { afterAll, beforeAll, expect, test } from "bun:test";
import { createMint } from "../../src/core/mint.ts";
import { parsePolicy } from "../../src/core/policy/file.ts";
import { compilePolicy } from "../../src/core/policy/rules.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { logIn, makeWorld, settle, type World } from "../mint/parts.ts";

/** What a policy gives, as the server sees it. The callers are those of an application with its own sessions. */

const SESSIONS: Record<string, Record<string, unknown>> = {
  alice: { groups: ["staff"], rooms: ["lobby", "hall"] },
  bob: { groups: ["staff"], rooms: "cellar" },
  carol: { groups: [] },
  mallory: { groups: ["staff"], rooms: ["*", ">", "lobby.>", "{{name()}}"] },
};

let world: World;

beforeAll(async () => {
  world = await makeWorld({
    room: {
      pub: { allow: ["rooms.{{tag(room)}}.{{name()}}.>"] },
      sub: { allow: ["rooms.{{tag(room)}}.>", "_INBOX_{{name()}}.>"] },
    },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

async function makeOffice() {
  const { mint: keys } = await readKeys(world.recipe.env.KEYS_DIR ?? "");
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
    servers: { tcp: [world.url("tcp")], websocket: [world.url("ws")] },
  });
  return (session: string, body: object = {}) =>
    app.request("/creds", {
      method: "POST",
      headers: { "X-Session": session, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
}

test("everybody reaches what the policy gives them, and nobody's else", async () => {
  const ask = await makeOffice();
  const credential = async (session: string, body?: object) =>
    (await (await ask(session, body)).json()) as CredsResponse;
  const given = await credential("alice", { tags: { room: "lobby" } });
  expect(given).toMatchObject({ role: "room", tags: { room: "lobby" } });
  expect(given.expires_at - given.issued_at).toBe(60);
  const carols = await credential("carol");
  expect(carols.role).toBe("browser");

  await using onlooker = await world.onlooker();
  await using alice = await logIn(given, world.url("tcp"));
  await using carol = await logIn(carols, world.url("ws"));
  const seen = await onlooker.subscribe(">");
  const everywhere = [given.user, carols.user].flatMap((user) => [
    `rooms.lobby.${user}.x`,
    `rooms.hall.${user}.x`,
    `users.${user}.x`,
  ]);
  for (const subject of everywhere) alice.nc.publish(subject);
  await settle(alice, onlooker);
  for (const subject of everywhere) carol.nc.publish(subject);
  await settle(carol, onlooker);
  expect(seen.subjects).toEqual([`rooms.lobby.${given.user}.x`, `users.${carols.user}.x`]);
});

test("what the policy doesn't give is refused, whatever the claims say", async () => {
  const ask = await makeOffice();
  for (const [session, body, status, code] of [
    ["nobody", {}, 401, "unauthorized"],
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
    const answer = await ask(session, body);
    expect([session, body, answer.status, (await answer.json()).code]).toEqual([session, body, status, code]);
  }
});

test("one person has one name, and two have two", async () => {
  const ask = await makeOffice();
  const names = await Promise.all(
    ["bob", "carol", "bob", "carol"].map(
      async (who) => ((await (await ask(who)).json()) as CredsResponse).user,
    ),
  );
  expect(names[0]).toBe(names[2] as string);
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(name).toMatch(/^u-[a-z2-7]{32}$/);
});
