import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Hono } from "hono";
import { connect, credsAuthenticator, type NatsConnection } from "nats";
import { readLocalConfig } from "../../src/config/local.ts";
import { createApiKey, hashApiKey } from "../../src/core/api-key/key.ts";
import { formatCreds } from "../../src/core/keys/creds-file.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { freePorts } from "../ports.ts";
import { decode, expectSuccess, type Outcome, type Recipe, startRecipe } from "../recipe/recipe.ts";
import { blocks, codeSpans, rows, section } from "./markdown.ts";

/** The commands in README.md and docs, run with a running recipe. Only ports and paths are replaced. */

const { projectDir } = readLocalConfig();
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
const quickStart = section(read("README.md"), "## Quick start");
const api = read("docs/http-api.md");
const roles = read("docs/roles.md");
const operations = read("docs/operations.md");

let recipe: Recipe;
let mint: Bun.Subprocess<"ignore", "pipe", "inherit">;
let mintLines: AsyncGenerator<string>;

beforeAll(async () => {
  recipe = await startRecipe();
  mint = startMint();
  mintLines = linesOf(mint.stdout);
  await until(mintLines, "mint listens on");
});

afterAll(async () => {
  mint?.kill();
  await mint?.exited;
  await recipe?.[Symbol.asyncDispose]();
});

function startMint(settings: Record<string, string> = {}): typeof mint {
  return Bun.spawn([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    env: { ...recipe.env, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** The only block of a language in a text that contains a string. */
function block(from: string, text: string, language = "sh"): string {
  const found = blocks(from).filter((each) => each.language === language && each.text.includes(text));
  expect(found.map((each) => each.text)).toHaveLength(1);
  return found[0]?.text ?? "";
}

function withPorts(command: string): string {
  const { nats, webSocket, monitoring, mint } = recipe.ports;
  const ports: Record<string, number> = { 4222: nats, 9222: webSocket, 8222: monitoring, 8080: mint };
  return command.replace(/(?<=\b127\.0\.0\.1:)\d+/g, (port) => String(ports[port]));
}

const shell = (command: string, dir = recipe.dir): Promise<Outcome> =>
  recipe.run(["/bin/sh", "-c", `cd '${dir}'\n${withPorts(command)}`]);

/** The arguments of nsc in a line such as `npm run nsc -- list accounts`, with a key instead of the example's. */
function nscArguments(line: string, key = ""): string[] {
  const words = line.trim().split(" ");
  expect(words.slice(0, 4)).toEqual(["npm", "run", "nsc", "--"]);
  return words.slice(4).map((word) => (/^[AU]PUT_/.test(word) ? key : word));
}

const logIn = (creds: string): Promise<NatsConnection> =>
  connect({
    servers: `127.0.0.1:${recipe.ports.nats}`,
    reconnect: false,
    authenticator: credsAuthenticator(readFileSync(join(recipe.dir, creds))),
  });

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}

/** Waits until the mint uses the current export. */
const mintIsCurrent = () => until(mintLines, `keys ${realpathSync(join(recipe.dir, "keys/current"))} loaded`);

async function until(output: AsyncGenerator<string>, text: string): Promise<void> {
  while (true) {
    const { value, done } = await output.next();
    if (done) throw new Error(`the output ended without "${text}"`);
    if (value.includes(text)) return;
  }
}

describe("the quick start", () => {
  test("curl gets a credential", async () => {
    const response: CredsResponse = JSON.parse(expectSuccess(await shell(block(quickStart, "curl"))));
    expect(response).toMatchObject({ user: "alice", role: "browser", inbox_prefix: "_INBOX_alice" });
    expect(response.servers).toEqual([`ws://127.0.0.1:${recipe.ports.webSocket}`]);
  });

  test("the launcher's own example is the same", () => {
    const [, request = ""] = block(quickStart, "curl").trim().split("127.0.0.1:8080");
    expect(readFileSync(join(projectDir, "src/local/recipe.ts"), "utf8")).toContain(request);
  });

  test("the client shows what the credential allows", async () => {
    const output = expectSuccess(await shell(block(quickStart, "npm run client"), projectDir));
    expect(output).toContain("as alice, role browser");
    expect(output.match(/denied, as it should be/g)).toHaveLength(2);
  });

  test("the client also connects over TCP", async () => {
    const command = codeSpans(quickStart).find((code) => code.includes("USE_WEBSOCKET"));
    expect(expectSuccess(await shell(command ?? "", projectDir))).toContain("as alice, role service");
  });
});

test("the API key that the README creates gets a credential", async () => {
  const [port = 0] = await freePorts(1);
  const settings = {
    MINT_AUTH: "api-key",
    MINT_API_KEYS_FILE: join(recipe.dir, "api-keys.json"),
    MINT_PORT: String(port),
  };
  const lines = block(section(read("README.md"), "## Real users"), "api-key add");
  const [add = "", request = ""] = lines.replace("127.0.0.1:8080", `127.0.0.1:${port}`).split("\n");
  const run = async (line: string, env: Record<string, string>) =>
    expectSuccess(
      await recipe.run(["/bin/sh", "-c", `cd '${projectDir}'\n${line}`], { ...settings, ...env }),
    );
  const output = await run(`${add}\necho "KEY=$KEY"`, {});
  const [, key = ""] = /^KEY=(mint_[a-z2-7]{8}_[a-z2-7]{60})$/m.exec(output) ?? [];
  expect(key).not.toBe("");
  const own = startMint(settings);
  try {
    await until(linesOf(own.stdout), "mint listens on");
    expect(JSON.parse(await run(request, { KEY: key }))).toMatchObject({ user: "alice", role: "browser" });
  } finally {
    own.kill();
    await own.exited;
  }
});

describe("POST /creds", () => {
  const fields = (heading: string) =>
    rows(section(api, heading), "field").flatMap(([field]) => codeSpans(field ?? ""));
  const post = (body: object) =>
    fetch(`http://127.0.0.1:${recipe.ports.mint}/creds`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });

  test("responds with the fields of the table, and no others", async () => {
    const response = await post({ user: "alice", tags: { a: "b" } });
    expect(Object.keys(await response.json()).sort()).toEqual(fields("## Response").sort());
  });

  test("accepts the fields of the table, and no others", async () => {
    const public_key = decode<{ sub: string }>((await (await post({ user: "alice" })).json()).jwt).sub;
    const request = { user: "alice", public_key, role: "browser", tags: { a: "b" }, ttl: 60 };
    expect((await post(request)).status).toBe(200);
    expect(fields("## Request").sort()).toEqual(Object.keys(request).sort());
    expect((await post({ ...request, more: 1 })).status).toBe(400);
  });

  test("issues a creds file that can log in", async () => {
    expectSuccess(await shell(block(api, "printer.creds")));
    const nc = await logIn("printer.creds");
    expect(nc.info?.auth_required).toBe(true);
    await nc.close();
  });
});

describe("adding a role", () => {
  const adding = section(roles, "## Add a role");

  test("needs a file and another start; the running mint then has the role", async () => {
    recipe.writeRole("helpdesk", block(adding, "description", "json"));
    expect(await recipe.up()).toContain("role helpdesk: added");
    await mintIsCurrent();
    expectSuccess(await shell(block(adding, "creds()")));
  });

  test("lets a backend send a request to a page, which replies on its own subject", async () => {
    const page = Bun.spawn(
      ["/bin/sh", "-c", `cd '${recipe.dir}'\nexec ${withPorts(block(adding, " reply "))}`],
      {
        env: recipe.env,
        stdio: ["ignore", "ignore", "inherit"],
      },
    );
    let output = "No responders";
    while (output.includes("No responders")) output = expectSuccess(await shell(block(adding, " request ")));
    expect(output).toStartWith("yes\n");

    const nc = await logIn("desk.creds");
    const snippet = block(section(roles, "## Replies are granted by subject"), "noMux", "ts");
    const file = join(recipe.dir, "ask.ts");
    writeFileSync(file, `export default async function (nc) {\n${snippet}\nreturn response.string();\n}\n`);
    expect(await (await import(file)).default(nc)).toBe("yes");
    await nc.close();
    page.kill();
    await page.exited;
  });
});

describe("replies", () => {
  test("to a page's request arrive under the page's own subjects", async () => {
    const backend = await logIn("desk.creds");
    backend.subscribe("users.*.question", {
      callback: (_, message) => {
        const [, user] = message.subject.split(".");
        if (message.reply?.startsWith(`users.${user}._reply.`)) message.respond("42");
      },
    });
    await backend.flush();
    const output = await shell(
      "nats -s ws://127.0.0.1:9222 --creds alice.creds --inbox-prefix users.alice._reply request users.alice.question '?'",
    );
    expect(expectSuccess(output)).toStartWith("42\n");
    await backend.close();
  });

  test("could go to any subject with response permissions, so such a role is refused", async () => {
    const template = { pub: { allow: ["own.{{name()}}"] }, sub: { allow: ["own.{{name()}}"] } };
    recipe.writeRole("echo", { ...template, responses: { max: 1, ttl: 60 } });
    expect((await recipe.init()).output).toContain("publish anywhere");
    recipe.removeRole("echo");

    const account = ["--account", "app"];
    const scope = ["--sk", "generate", "--role", "echo", "--allow-pubsub", "own.{{name()}}"];
    expectSuccess(await recipe.nsc("edit", "signing-key", ...account, ...scope, "--allow-pub-response"));
    await makeUser("eve", "echo");
    await makeUser("witness", plainKey(), "--allow-pubsub", ">");
    await recipe.up();
    const [eve, witness] = await Promise.all([logIn("eve.creds"), logIn("witness.creds")]);
    const seen = witness.subscribe("other.subject", { max: 1 });
    await witness.flush();
    eve.subscribe("own.eve", { callback: (_, message) => void message.respond("here") });
    eve.publish("own.eve", "", { reply: "other.subject" });
    for await (const message of seen) expect(message.string()).toBe("here");
    await Promise.all([eve.close(), witness.close()]);
  });

  const plainKey = () => recipe.account().nats.signing_keys.find((key) => typeof key === "string") as string;

  async function makeUser(user: string, key: string, ...permissions: string[]): Promise<void> {
    const of = ["--account", "app", "--name", user];
    expectSuccess(await recipe.nsc("add", "user", ...of, "--private-key", key, ...permissions));
    expectSuccess(
      await recipe.nsc("generate", "creds", ...of, "--output-file", join(recipe.dir, `${user}.creds`)),
    );
  }
});

describe("operations", () => {
  const refused = (creds: string) =>
    logIn(creds).then(
      () => "accepted",
      ({ code }) => code,
    );

  test("nsc works on the recipe's store", async () => {
    const output = expectSuccess(await recipe.nsc(...nscArguments(block(operations, "npm run nsc -- list"))));
    expect(output).toContain("app");
  });

  test("a user that is revoked by the key in monitoring is disconnected and refused", async () => {
    const nc = await logIn("desk.creds");
    const guide = read("docs/monitoring.md").replace(".data/", "");
    const [all = "", byName = "", byKey = ""] = blocks(guide)
      .map(({ text }) => text)
      .filter((text) => text.includes("$monitoring"));
    const { connections } = JSON.parse(expectSuccess(await shell(all)));
    const listed = connections.find(({ cid }: { cid: number }) => cid === nc.info?.client_id);
    expect(listed.name_tag).toBe("app");
    const [setting = ""] = all.split("\n");
    const named = expectSuccess(await shell(`${setting}\n${byName}`))
      .trim()
      .split("\n");
    expect(named.map((line) => JSON.parse(line))).toContainEqual({
      ip: "127.0.0.1",
      authorized_user: listed.authorized_user,
      user: "desk",
    });
    const byItsKey = byKey.replace(/UPUT_\w+/, listed.authorized_user);
    expect(JSON.parse(expectSuccess(await shell(`${setting}\n${byItsKey}`))).cid).toBe(listed.cid);
    expectSuccess(
      await recipe.nsc(...nscArguments(block(operations, "revocations"), listed.authorized_user)),
    );
    await recipe.up();
    await nc.closed();
    expect(await refused("desk.creds")).toBe("AUTHORIZATION_VIOLATION");
  });

  test("a role whose key was removed gets a new one, and users of the old one are refused", async () => {
    const [describeLine = "", removeLine = ""] = block(operations, "--rm-sk").trim().split("\n");
    const role = recipe
      .account()
      .nats.signing_keys.find((key) => typeof key !== "string" && key.role === "service") as { key: string };
    expect(expectSuccess(await recipe.nsc(...nscArguments(describeLine)))).toContain(role.key);
    expectSuccess(await recipe.nsc(...nscArguments(removeLine, role.key)));
    expect(await recipe.up()).toContain(
      "role service: its signing key was removed elsewhere; made a new one",
    );
    expect(await refused("printer.creds")).toBe("AUTHORIZATION_VIOLATION");
    await mintIsCurrent();
    expectSuccess(await shell(block(api, "printer.creds")));
    await (await logIn("printer.creds")).close();
  });

  test("a user signed with the plain key makes a stream", async () => {
    const commands = block(operations, "stream add").replaceAll(
      "npm run -s nsc --",
      `sh '${join(projectDir, "fs/nsc/nsc.sh")}'`,
    );
    expect(expectSuccess(await shell(`set -e\n${commands}`))).toContain("Stream invoices was created");
  });

  test("a backup of the nsc store can be restored", async () => {
    const account = recipe.account();
    expectSuccess(await shell(block(operations, "tar -czf nsc-backup.tgz").replace("-C .data", "-C .")));
    rmSync(join(recipe.dir, "nsc"), { recursive: true });
    expect((await recipe.init()).output).toContain("belongs to an operator whose keys are not in");
    expectSuccess(await shell("tar -xzf nsc-backup.tgz"));
    expect(expectSuccess(await recipe.init())).toBe("nats-init: nothing to change\n");
    expect(recipe.account()).toEqual(account);
  });
});

test("the guide's lines mount the mint in an application", async () => {
  const snippet = block(read("docs/library.md"), "identify(request)", "ts")
    .replace('"nats-mint"', JSON.stringify(join(projectDir, "src/index.ts")))
    .replace('".data/keys"', JSON.stringify(join(recipe.dir, "keys")));
  const file = join(recipe.dir, "mount.ts");
  const [imports = "", ...body] = snippet.split("\n");
  writeFileSync(
    file,
    `${imports}\nexport default async function (app, identify) {\n${body.join("\n")}\nkeys.close();\n}\n`,
  );
  const app = new Hono();
  const expiresAt = Math.floor(Date.now() / 1000) + 60;
  await (await import(file)).default(app, (request: Request) =>
    request.headers.has("Cookie") ? { issuer: "app", subject: "alice", claims: {}, expiresAt } : null,
  );
  const post = (headers: object) =>
    app.request("/nats/creds", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: "{}",
    });
  expect((await post({})).status).toBe(401);
  expect(await (await post({ Cookie: "session=1" })).json()).toMatchObject({
    user: "alice",
    expires_at: expiresAt,
  });
});

test("the library's other door issues credentials, with its own limits and report", async () => {
  const snippet = block(read("docs/library.md"), "credentialFor", "ts")
    .replace('"nats-mint"', JSON.stringify(join(projectDir, "src/index.ts")))
    .replace('".data/keys"', JSON.stringify(join(recipe.dir, "keys")));
  const { key, id } = createApiKey();
  const apiKeys = [{ id, description: "", hash: hashApiKey(key), roles: ["service"], createdAt: 0 }];
  const file = join(recipe.dir, "door.ts");
  const [imports = "", ...body] = snippet.split("\n");
  writeFileSync(file, `${imports}\nconst apiKeys = ${JSON.stringify(apiKeys)};\n${body.join("\n")}`);
  const { credentialFor } = await import(file);
  const { response, error } = await credentialFor(key, "printer", "192.0.2.1");
  expect(error).toBeUndefined();
  writeFileSync(join(recipe.dir, "door.creds"), formatCreds(response.jwt, response.seed));
  const nc = await logIn("door.creds");
  await nc.close();
  expect((await credentialFor(`${key}x`, "printer", "192.0.2.1")).error).toMatchObject({
    code: "unauthorized",
  });
});

test("the guide's lines issue credentials without HTTP", async () => {
  const snippet = block(read("docs/library.md"), "printer", "ts")
    .replace('"nats-mint"', JSON.stringify(join(projectDir, "src/index.ts")))
    .replace('".data/keys"', JSON.stringify(join(recipe.dir, "keys")));
  const file = join(recipe.dir, "sign.ts");
  writeFileSync(file, `${snippet}\nexport { jwt, seed };\n`);
  const { jwt, seed } = await import(file);
  writeFileSync(join(recipe.dir, "signed.creds"), formatCreds(jwt, seed));
  const nc = await logIn("signed.creds");
  expect(nc.info?.auth_required).toBe(true);
  await nc.close();
});
