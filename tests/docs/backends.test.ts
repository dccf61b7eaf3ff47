import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "nats";
import { createApiKey, hashApiKey } from "../../src/core/api-key/key.ts";
import { apiKeyAuthentication, createApp, createMint, readKeys } from "../../src/index.ts";
import { type BackendCredentials, credentials as endpoint, liveCredentials } from "../../src/node/index.ts";
import {
  accountEnv,
  credentials,
  type Environment,
  makeEnvironment,
  runService,
  within,
} from "../mint/parts.ts";
import { clients } from "../node/clients.ts";
import { blocks, codeSpans, rows, section } from "./markdown.ts";

/** The code in README.md and docs/backends.md works as it stands, with the shipped roles. Only ports are replaced. */

const projectDir = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
const readme = section(read("README.md"), "## A page that asks a backend");
const guide = read("docs/backends.md");
const code = (text: string) =>
  blocks(text)
    .filter(({ language }) => language === "ts")
    .map((block) => block.text);

let environment: Environment;
let mint: ReturnType<typeof Bun.serve>;
/** A project that has the packages. */
let dir: string;

beforeAll(async () => {
  environment = await makeEnvironment();
  mint = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: environment.app.fetch });
  dir = mkdtempSync(join(tmpdir(), "backend-"));
  mkdirSync(join(dir, "node_modules"));
  for (const name of ["nats", "nats.ws"]) {
    symlinkSync(join(projectDir, "node_modules", name), join(dir, "node_modules", name));
  }
  writeFileSync(
    join(dir, "node.ts"),
    `export * from ${JSON.stringify(join(projectDir, "src/node/index.ts"))};\n`,
  );
  writeFileSync(
    join(dir, "page.ts"),
    `export * from ${JSON.stringify(join(projectDir, "src/browser/index.ts"))};\n`,
  );
});
afterAll(async () => {
  await mint?.stop(true);
  rmSync(dir, { recursive: true, force: true });
  await environment?.[Symbol.asyncDispose]();
});

let runs = 0;

/** Runs code, with what it shows, and returns its variables. */
async function run<T>(text: string, names: string[], before = ""): Promise<T> {
  const file = join(dir, `run-${++runs}.ts`);
  const source = `${before}\n${text}\nexport { ${names.join(", ")} };\n`
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${mint.port}`)
    .replaceAll('"nats-mint/node"', '"./node.ts"')
    .replaceAll('"nats-mint-browser"', '"./page.ts"');
  writeFileSync(file, source);
  return (await within(import(file), "the code to run")) as T;
}

interface Program {
  nc: NatsConnection;
  live: BackendCredentials;
}

/** A client with these credentials connects, and stays connected when they are renewed. Closes both. */
async function expectRenewal(live: BackendCredentials): Promise<void> {
  const nc = await clients.nats(live);
  await nc.flush();
  await live.refresh();
  await nc.flush();
  await nc.close();
  live.close();
}

/** A page with the role `page`, of a user. */
async function openPage(user: string) {
  const live = await liveCredentials(async ({ publicKey }) => {
    const request = { user, role: "page", public_key: publicKey };
    return await credentials(environment.app, request);
  });
  const nc = await clients["nats.ws"](live);
  return {
    nc,
    live,
    async [Symbol.asyncDispose]() {
      await nc.close();
      live.close();
    },
  };
}

const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** Alice gets a reply, also after both have been renewed, and cannot have one sent to bob. */
async function expectAPageToBeServed(backend: Program): Promise<void> {
  await using alice = await openPage("alice");
  await using bob = await openPage("bob");
  expect(alice.live.current.inbox_prefix).toBe("reply.alice");
  const stray: string[] = [];
  bob.nc.subscribe("reply.bob.>", { callback: (_, message) => stray.push(message.subject) });
  bob.nc.subscribe("tell.bob.>", { callback: (_, message) => stray.push(message.subject) });
  await bob.nc.flush();
  for (const reply of [
    "reply.bob.x",
    "tell.bob.x",
    "reply.bobby.x",
    "reply.alic.x",
    "ask.bob.time",
    "reply",
  ]) {
    alice.nc.publish("ask.alice.time", "", { reply });
  }
  const ask = async () => (await alice.nc.request("ask.alice.time", "", { timeout: 20_000 })).string();
  expect(await ask()).toMatch(TIME);
  await Promise.all([backend.live.refresh(), alice.live.refresh()]);
  expect(await ask()).toMatch(TIME);
  await backend.nc.flush();
  await bob.nc.flush();
  expect(stray).toEqual([]);
}

describe("the README", () => {
  const [page = "", backend = ""] = code(readme);
  const url = 'const url = "http://127.0.0.1:8080/creds";';

  test("shows it in ten lines", () => {
    expect(`${page}${backend}`.trim().split("\n").length).toBeLessThanOrEqual(10);
    expect(readme).toContain('`url = "http://127.0.0.1:8080/creds"`');
  });

  test("has a page that gets its reply from the backend", async () => {
    const { nc, backend: live } = await run<Program & { backend: BackendCredentials }>(
      backend,
      ["nc", "backend"],
      `import { connect } from "nats";\nimport { credentials, liveCredentials } from "nats-mint/node";\n${url}`,
    );
    await nc.flush();
    const shown: unknown[] = [];
    Object.assign(globalThis, { shownByPage: (text: unknown) => shown.push(text) });
    const asking = await run<Program & { page: BackendCredentials }>(
      page.replace("console.log", "globalThis.shownByPage"),
      ["nc", "page"],
      `import { connect } from "nats.ws";\nimport { credentials, liveCredentials } from "nats-mint-browser";\n${url}`,
    );
    expect(shown).toEqual([expect.stringMatching(TIME)]);
    await asking.nc.close();
    asking.page.close();
    await expectAPageToBeServed({ nc, live });
    await nc.close();
    live.close();
  });
});

describe("docs/backends.md", () => {
  test("has a backend that serves a page, and ends", async () => {
    const [start = "", end = ""] = code(section(guide, "## Quick start"));
    const backend = await run<Program>(start, ["nc", "live"]);
    await backend.nc.flush();
    await expectAPageToBeServed(backend);
    Object.assign(globalThis, { backend });
    await run(end, [], "const { nc, live } = globalThis.backend;");
    expect(backend.nc.isClosed()).toBe(true);
  });

  test("has a backend that proves itself with an API key for its role", async () => {
    const key = createApiKey();
    const stored = {
      id: key.id,
      hash: hashApiKey(key.key),
      description: "",
      roles: ["backend"],
      createdAt: 0,
    };
    const { mint: keys } = await readKeys(environment.recipe.env.KEYS_DIR ?? "");
    const app = createApp({
      mint: createMint(keys),
      ...apiKeyAuthentication({ keys: () => [stored] }),
      servers: { websocket: [environment.url("ws")], tcp: [environment.url("tcp")] },
    });
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
    const url = `http://127.0.0.1:${server.port}/creds`;
    const token = () => key.key;
    const live = await liveCredentials(endpoint({ url, user: "clock", role: "backend", token }));
    expect(live.current.servers[0]).toStartWith("nats:");
    await expectRenewal(live);
    await expect(liveCredentials(endpoint({ url, user: "clock", role: "page", token }))).rejects.toThrow(
      "403",
    );
  });

  test("has an application that signs its own credential", async () => {
    const [text = ""] = code(section(guide, "## The application that has the mint"));
    const { live } = await run<Program>(
      text
        .replace('"nats-mint"', JSON.stringify(join(projectDir, "src/index.ts")))
        .replace('".data/keys"', JSON.stringify(environment.recipe.env.KEYS_DIR))
        .replace("nats://127.0.0.1:4222", environment.url("tcp")),
      ["live"],
    );
    await expectRenewal(live);
  });

  test("has the options of the code", () => {
    const members = (file: string, name: string) => {
      const [, body = ""] =
        new RegExp(`export interface ${name}\\b.*?\\{\\n(.*?)^\\}`, "ms").exec(read(file)) ?? [];
      return [...body.matchAll(/^ {2}readonly (\w+)/gm)].map(([, member]) => member as string);
    };
    const options = [
      ...members("src/browser/live-credentials.ts", "LiveCredentialsOptions"),
      ...members("src/node/live-credentials.ts", "BackendOptions"),
    ];
    const sentence = /The options are (.*?):\n/.exec(guide)?.[1] ?? "";
    expect(codeSpans(sentence).sort()).toEqual(options.sort());
    const fields = rows(guide, "field of `tls`").flatMap(([field = ""]) => codeSpans(field));
    expect(fields.sort()).toEqual(members("src/node/tcp-socket.ts", "TlsOptions").sort());
  });

  test("names the clients that are tested", () => {
    const named = rows(guide, "client").flatMap(([client = ""]) => codeSpans(client));
    for (const client of Object.keys(clients)) {
      expect(named.map((name) => name.replace("@nats-io/", ""))).toContain(client);
    }
  });
});

test("examples/account-backend.ts serves a page with the account's key, and ends when it is told to", async () => {
  const env: Record<string, string> = {
    ...(await accountEnv(environment.recipe)),
    NATS_URL: environment.url("tcp"),
  };
  await using program = runService(
    [process.execPath, "--no-env-file", join(projectDir, "examples/account-backend.ts")],
    { ...env, PATH: process.env.PATH ?? "" },
  );
  await program.waitFor(/connected/);
  await using alice = await openPage("alice");
  const reply = await alice.nc.request("ask.alice.time", "", { timeout: 20_000 });
  expect(reply.string()).toMatch(TIME);
  program.kill("SIGTERM");
  expect(await within(program.ended, "the example to end")).toBe(0);
  expect(program.output()).not.toContain(env.NATS_ACCOUNT_SECRET ?? "?");
});

test("examples/account-backend.ts says what is missing", async () => {
  await using program = runService(
    [process.execPath, "--no-env-file", join(projectDir, "examples/account-backend.ts")],
    { PATH: process.env.PATH ?? "" },
  );
  expect(await within(program.ended, "the example to end")).toBe(1);
  expect(program.output()).toContain("--env-file");
});
