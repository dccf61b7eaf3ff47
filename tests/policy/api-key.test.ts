import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFile, stat, writeFile } from "node:fs/promises";
import { apiKeyAuthentication } from "../../src/auth/api-key.ts";
import { parseApiKeys } from "../../src/core/api-key/file.ts";
import type { ApiKey } from "../../src/core/api-key/key.ts";
import { createMint } from "../../src/core/mint.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { watchFile } from "../../src/files/watch.ts";
import { createApp } from "../../src/http/app.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { type Environment, flushAll, logIn, makeEnvironment } from "../mint/parts.ts";
import { makeWorkspace } from "./command.ts";

/** API keys, from the command that creates them to the server that accepts their credentials. */

let environment: Environment;

beforeAll(async () => {
  environment = await makeEnvironment();
});
afterAll(() => environment[Symbol.asyncDispose]());

/** Creates a key with the command, and returns it. */
async function add(workspace: Awaited<ReturnType<typeof makeWorkspace>>, ...args: string[]): Promise<string> {
  const { code, out, err } = await workspace.run(["api-key", "add", ...args]);
  expect([code, out]).toEqual([0, expect.stringMatching(/^mint_[a-z2-7]{8}_[a-z2-7]{60}\n$/)]);
  const key = out.trim();
  expect(err).not.toContain(key.slice(14));
  return key;
}

/** A mint that follows a file of API keys. */
async function serve(file: string) {
  let wake = (_: readonly ApiKey[]) => {};
  const watched = await watchFile(file, parseApiKeys, { interval: 5, onLoaded: (keys) => wake(keys) });
  const { mint: keys } = await readKeys(environment.recipe.env.KEYS_DIR ?? "");
  const app = createApp({
    mint: createMint(keys),
    ...apiKeyAuthentication({ keys: watched.current }),
    servers: { tcp: [environment.url("tcp")], websocket: [environment.url("ws")] },
  });
  return {
    requestCreds: (key: string, body: object) =>
      app.request("/creds", {
        method: "POST",
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    /** Changes the file, and waits until the mint has loaded it. */
    async after<T>(change: () => Promise<T>): Promise<T> {
      const { promise, resolve } = Promise.withResolvers<readonly ApiKey[]>();
      wake = resolve;
      const result = await change();
      await promise;
      return result;
    },
    [Symbol.dispose]: () => watched.close(),
  };
}

test("an added key gets credentials for the requested user, within its role, until it is removed", async () => {
  await using workspace = await makeWorkspace();
  using mint = await serve(workspace.apiKeysFile);
  const key = await mint.after(() => add(workspace, "--roles", "service", "--description", "the printer's"));

  const response = await mint.requestCreds(key, { user: "printer" });
  expect(response.status).toBe(200);
  await using observer = await environment.observer();
  await using client = await logIn((await response.json()) as CredsResponse, environment.url("tcp"));
  const seen = await observer.subscribe(">");
  for (const subject of ["services.printer.x", "services.other.x", "users.printer.x"])
    client.nc.publish(subject);
  await flushAll(client, observer);
  expect(seen.subjects).toEqual(["services.printer.x"]);

  expect((await mint.requestCreds(key, { user: "printer", role: "browser" })).status).toBe(403);
  expect((await mint.requestCreds(key, {})).status).toBe(400);

  const id = key.split("_")[1] ?? "";
  await mint.after(() => workspace.run(["api-key", "remove", id]));
  const refused = await mint.requestCreds(key, { user: "printer" });
  expect([refused.status, await refused.json()]).toEqual([
    401,
    expect.objectContaining({ code: "unauthorized" }),
  ]);
});

test("a credential expires no later than its key", async () => {
  await using workspace = await makeWorkspace();
  const key = await add(workspace, "--roles", "service", "--expires", "5m");
  using mint = await serve(workspace.apiKeysFile);
  const { expires_at, issued_at } = (await (
    await mint.requestCreds(key, { user: "printer" })
  ).json()) as CredsResponse;
  expect(expires_at - issued_at).toBeLessThanOrEqual(300);
  const [entry] = parseApiKeys(await readFile(workspace.apiKeysFile, "utf8"));
  expect(entry?.expiresAt).toBe(expires_at);
});

test("keys that are added at the same time are all kept", async () => {
  await using workspace = await makeWorkspace();
  const keys = await Promise.all(Array.from({ length: 6 }, () => add(workspace, "--roles", "service")));
  using mint = await serve(workspace.apiKeysFile);
  for (const key of keys) expect((await mint.requestCreds(key, { user: "printer" })).status).toBe(200);
});

test("only the hash of a key is stored, in a file that the mint's user can read", async () => {
  await using workspace = await makeWorkspace();
  const key = await add(workspace, "--roles", "room,service", "--description", "a b");
  const text = await readFile(workspace.apiKeysFile, "utf8");
  expect(text).not.toContain(key.slice(14, 30));
  const hash = new Bun.CryptoHasher("sha256").update(key).digest("hex");
  expect(JSON.parse(text)).toEqual([
    {
      id: key.split("_")[1],
      description: "a b",
      hash: `sha256:${hash}`,
      roles: ["room", "service"],
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    },
  ]);
  expect((await stat(workspace.apiKeysFile)).mode & 0o777).toBe(0o644);
});

test("the list shows every key's entry, without the key and its hash", async () => {
  await using workspace = await makeWorkspace();
  const empty = await workspace.run(["api-key", "list"]);
  expect([empty.code, empty.out, empty.err]).toEqual([0, "", "There are no API keys.\n"]);
  const key = await add(workspace, "--roles", "room,service", "--description", "line one\nline \x1b[2Jtwo");
  await add(workspace, "--roles", "browser", "--expires", "90d");
  const { code, out } = await workspace.run(["api-key", "list"]);
  const lines = out.trimEnd().split("\n");
  expect([code, lines.length]).toEqual([0, 3]);
  expect(lines[0]).toMatch(/^ID +ROLES +CREATED +EXPIRES +DESCRIPTION$/);
  expect(lines[1]).toContain(`${key.split("_")[1]}  room,service  `);
  expect(lines[1]).toEndWith("never       line one line  [2Jtwo");
  expect(out).not.toMatch(/sha256|mint_|[^\n -~]/);
});

test("a key that does not exist can't be removed, and the message does not quote the argument", async () => {
  await using workspace = await makeWorkspace();
  const key = await add(workspace, "--roles", "service");
  for (const id of ["abcdefgh", key, "*", "constructor"]) {
    const { code, err } = await workspace.run(["api-key", "remove", id]);
    expect([code, err]).toEqual([1, "there is no API key with that id; api-key list shows the ids\n"]);
  }
  expect(parseApiKeys(await readFile(workspace.apiKeysFile, "utf8"))).toHaveLength(1);
});

test("an invalid file is not changed", async () => {
  await using workspace = await makeWorkspace();
  await writeFile(workspace.apiKeysFile, '[{"id":');
  for (const args of [["add", "--roles", "service"], ["remove", "abcdefgh"], ["list"]]) {
    const { code, out, err } = await workspace.run(["api-key", ...args]);
    expect([code, out, err]).toEqual([
      1,
      "",
      `${workspace.apiKeysFile}: the file of API keys is not valid JSON at line 1, column 8: wanted a value; the text ends here\n`,
    ]);
  }
  expect(await readFile(workspace.apiKeysFile, "utf8")).toBe('[{"id":');
});
