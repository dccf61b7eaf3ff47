import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { createApiKey } from "../../src/core/api-key/key.ts";
import { accountEnv, makeWorld, runService, type World } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";

/**
 * The service as a process, with secrets in whatever a caller can send. None of them, and none of its own, stands
 * anywhere in its log, its figures or its answers, but for the credential in the answer to whom it was made for.
 */

const projectDir = join(import.meta.dirname, "../..");
const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());

/** What looks like a secret: the seed of any kind of key, a JWT or the start of one, the lines of a creds file. */
const SHAPES = /S[UAOCNXP][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{10}|-----BEGIN|NKEY SEED/;

/** Of every kind that a caller may have, by mistake or not. */
const SENT = {
  "a user's seed": seedOf(createUser()),
  "an account's seed": seedOf(createAccount()),
  "an operator's seed": seedOf(createOperator()),
  "a token": `eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.${"c2lnbmF0dXJl".repeat(8)}`,
  "an API key": createApiKey().key,
  // Without the looks of a secret, and no subject token either: as a name it would be one.
  "a session": `session:${"s3cr3t".repeat(6)}`,
  "a password": "correct horse battery staple",
};

let world: World;
let service: ReturnType<typeof runService>;
let url: string;
/** The seeds that the service signs with, and the others that the recipe made. */
let own: string[];

/** All that came back, without the credentials in answers that gave one. */
const answers: string[] = [];
/** The credentials that were given: what only their owners may know. */
const given: string[] = [];

beforeAll(async () => {
  world = await makeWorld();
  const keysDir = world.recipe.env.KEYS_DIR ?? "";
  own = [...seedsUnder(keysDir), (await accountEnv(world.recipe)).NATS_ACCOUNT_SECRET ?? ""];
  const [port] = await freePorts(1);
  url = `http://127.0.0.1:${port}`;
  service = runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    PATH: process.env.PATH ?? "",
    MINT_AUTH: "dev",
    MINT_PORT: String(port),
    MINT_KEYS_DIR: keysDir,
    MINT_RATE_LIMIT: "off",
    MINT_ALLOWED_ORIGINS: '["https://app.example.com"]',
  });
  await service.says(/mint listens on/);
  await sendEverything();
  service.kill("SIGTERM");
  await service.ended;
}, 120_000);
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

/** Every seed in the files of a directory. */
function seedsUnder(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8"));
  return texts.flatMap((text) => text.match(/S[UAO][A-Z2-7]{56}/g) ?? []);
}

async function send(path: string, init: RequestInit = {}, repeats = false): Promise<void> {
  const response = await fetch(url + path, { redirect: "manual", ...init });
  if (repeats) return;
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  answers.push(`${response.status} ${headers.join("\n")}\n${await bodyOf(response)}`);
}

/** The body; of an answer with a credential what is left without it. */
async function bodyOf(response: Response): Promise<string> {
  const text = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (response.status !== 200) return text;
  if (type.startsWith("application/x-nats-creds") || text.startsWith("-----BEGIN NATS USER JWT")) {
    given.push(...(text.match(/eyJ[\w.-]+|SU[A-Z2-7]{56}/g) ?? []));
    return "";
  }
  if (!type.startsWith("application/json")) return text;
  const { jwt = "", seed = "", ...rest } = JSON.parse(text) as { jwt?: string; seed?: string };
  given.push(...[jwt, seed].filter(Boolean));
  return JSON.stringify(rest);
}

const ask = (body: unknown, headers: Record<string, string> = {}, repeats = false) =>
  send(
    "/creds",
    {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    },
    repeats,
  );

/**
 * Asks with a name of the caller's choice, which the answer repeats to the caller: whom the credential is for, or which
 * field is not known. The log must not.
 */
const askByName = (body: unknown) => ask(body, {}, true);

async function sendEverything(): Promise<void> {
  await ask({ user: "alice", tags: { room: "lobby" } });
  await ask({ user: "alice", public_key: createUser().getPublicKey() });
  await ask({ user: "alice", role: "service" }, { Accept: "application/x-nats-creds" });
  await ask({ user: "alice", role: "service" }, { Accept: "text/plain" });
  for (const secret of [...Object.values(SENT), ...given]) {
    for (const field of ["public_key", "role", "ttl"]) await ask({ user: "alice", [field]: secret });
    for (const field of ["user", "public_key", "role", "ttl"]) {
      await ask({ user: "alice", [field]: { [secret]: secret } });
    }
    await askByName({ user: secret });
    await askByName({ user: "alice", tags: { room: secret } });
    await askByName({ user: "alice", tags: { [secret]: "lobby" } });
    await askByName({ user: "alice", tags: { [secret]: [secret] } });
    await askByName({ user: "alice", [secret]: 1 });
    await askByName({ [secret]: secret });
    await ask(secret);
    await ask(`{"user":"${secret}`);
    await ask(`"${secret}"`);
    for (const [name, value] of headersWith(secret)) {
      await ask({ user: "alice" }, { [name]: value });
      await send("/readyz", { headers: { [name]: value } });
      await send("/metrics", { headers: { [name]: value } });
      const origin = { Origin: "https://app.example.com", "Access-Control-Request-Method": "POST" };
      // A preflight's answer says which origin it is that is not allowed.
      await send("/creds", { method: "OPTIONS", headers: { ...origin, [name]: value } }, name === "Origin");
    }
    const part = encodeURIComponent(secret);
    for (const path of [`/${part}`, `/creds/${part}`, `/docs/${part}`]) await send(path);
    for (const path of ["/creds", "/docs", "/openapi.json", "/metrics", "/readyz"]) {
      await send(`${path}?access_token=${part}`);
      await send(`${path}?access_token=${part}`, { method: "DELETE" });
    }
    await send(`/creds?access_token=${part}`, { method: "POST", body: secret });
  }
  // One address gets twenty lines of refusals at once and one more each second: this one, however quick all was.
  await Bun.sleep(1100);
  await ask({ user: "alice", public_key: SENT["a user's seed"] });
  await send("/metrics");
}

function headersWith(secret: string): [string, string][] {
  const names = [
    "X-Request-Id",
    "Cookie",
    "User-Agent",
    "Accept",
    "Content-Type",
    "Content-Encoding",
    "Referer",
  ];
  return [
    ...names.map((name): [string, string] => [name, secret]),
    ["Authorization", `Bearer ${secret}`],
    ["Authorization", `Basic ${btoa(`alice:${secret}`)}`],
    ["Authorization", secret],
    ["Cookie", `session=${secret}`],
    ["Origin", `https://${secret}.example.com`],
    ["Host", `${secret}.example.com`],
    ["X-Forwarded-For", secret],
    ["X-Forwarded-For", `192.0.2.1, ${secret}`],
    ["Forwarded", `for=${secret}`],
    ["Traceparent", secret],
  ];
}

/** The secrets that stand in a text, by name, and what looks like one. */
function found(text: string): string[] {
  const secrets = { ...SENT, ...Object.fromEntries([...own, ...given].map((it, i) => [`secret ${i}`, it])) };
  const known = Object.entries(secrets).filter(([, secret]) =>
    [secret, encodeURIComponent(secret), btoa(secret), secret.toLowerCase()].some((it) => text.includes(it)),
  );
  const shape = SHAPES.exec(text);
  return [...known.map(([name]) => name), ...(shape ? [`it looks like one: ${shape[0].slice(0, 4)}…`] : [])];
}

describe("the scan", () => {
  test("finds a secret that is planted, however little it looks like one", () => {
    for (const [name, secret] of Object.entries(SENT)) {
      expect(found(`{"level":"info","user":"${secret}"}`)).toContain(name);
    }
    for (const secret of [...own, ...given]) expect(found(`x${secret}`)).not.toEqual([]);
    expect(found(seedOf(createUser()))).not.toEqual([]);
    expect(found("mint listens on http://127.0.0.1:8080")).toEqual([]);
  });

  test("had something to look through", () => {
    expect(own.length).toBeGreaterThan(2);
    expect(given.length).toBeGreaterThan(20);
    expect(answers.length).toBeGreaterThan(500);
    for (const status of [200, 400, 403, 404, 405, 415, 422]) {
      expect(answers.some((answer) => answer.startsWith(`${status} `))).toBe(true);
    }
    expect(answers.some((answer) => answer.includes("nats_mint_decisions_total"))).toBe(true);
    const lines = service.said().split("\n");
    expect(lines.filter((line) => line.includes('"audit":"granted"')).length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.includes('"audit":"refused"')).length).toBeGreaterThan(20);
  });
});

test("no secret stands in what the service printed", () => {
  const lines = service.said().split("\n");
  expect(lines.flatMap((line) => found(line).map((name) => `${name} in ${line.slice(0, 120)}`))).toEqual([]);
});

test("no secret stands in an answer, but for the credential in one that gives it", () => {
  const kept = answers.flatMap((answer) => found(answer).map((name) => `${name} in ${answer.slice(0, 300)}`));
  expect(kept).toEqual([]);
});
