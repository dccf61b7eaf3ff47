import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createAccount, createOperator, createUser } from "@nats-io/jwt";
import { createApiKey } from "../../src/core/api-key/key.ts";
import { accountEnv, type Environment, makeEnvironment, runService } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";

/**
 * The service as a process, with secrets in every part of the requests. Neither they nor the service's own secrets are in
 * its log, its metrics or its responses, except for the credential in the response to the request for it.
 */

const projectDir = join(import.meta.dirname, "../..");
const seedOf = (pair: { getSeed(): Uint8Array }) => new TextDecoder().decode(pair.getSeed());

/** The forms of secrets: the seed of any kind of key, a JWT or its start, the marker lines of a creds file. */
const SHAPES = /S[UAOCNXP][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{10}|-----BEGIN|NKEY SEED/;

/** One of every kind that a caller may send, by mistake or on purpose. */
const SENT = {
  "a user's seed": seedOf(createUser()),
  "an account's seed": seedOf(createAccount()),
  "an operator's seed": seedOf(createOperator()),
  "a token": `eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.${"c2lnbmF0dXJl".repeat(8)}`,
  "an API key": createApiKey().key,
  // Without the form of a secret. It is no valid subject token either: a valid one would be a name.
  "a session": `session:${"s3cr3t".repeat(6)}`,
  "a password": "correct horse battery staple",
};

let environment: Environment;
let service: ReturnType<typeof runService>;
let url: string;
/** The seeds with which the service signs, and the other seeds of the recipe. */
let own: string[];

/** All responses, without the credentials in them. */
const responses: string[] = [];
/** The credentials in the responses. */
const issued: string[] = [];

beforeAll(async () => {
  environment = await makeEnvironment();
  const keysDir = environment.recipe.env.KEYS_DIR ?? "";
  own = [...seedsUnder(keysDir), (await accountEnv(environment.recipe)).NATS_ACCOUNT_SECRET ?? ""];
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
  await service.waitFor(/mint listens on/);
  await sendEverything();
  service.kill("SIGTERM");
  await service.ended;
}, 120_000);
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
});

/** All seeds in the files of a directory. */
function seedsUnder(dir: string): string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8"));
  return texts.flatMap((text) => text.match(/S[UAO][A-Z2-7]{56}/g) ?? []);
}

async function send(path: string, init: RequestInit = {}, repeats = false): Promise<void> {
  const response = await fetch(url + path, { redirect: "manual", ...init });
  if (repeats) return;
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  responses.push(`${response.status} ${headers.join("\n")}\n${await bodyOf(response)}`);
}

/** The body, without the credential if it has one. */
async function bodyOf(response: Response): Promise<string> {
  const text = await response.text();
  const type = response.headers.get("Content-Type") ?? "";
  if (response.status !== 200) return text;
  if (type.startsWith("application/x-nats-creds") || text.startsWith("-----BEGIN NATS USER JWT")) {
    issued.push(...(text.match(/eyJ[\w.-]+|SU[A-Z2-7]{56}/g) ?? []));
    return "";
  }
  if (!type.startsWith("application/json")) return text;
  const { jwt = "", seed = "", ...rest } = JSON.parse(text) as { jwt?: string; seed?: string };
  issued.push(...[jwt, seed].filter(Boolean));
  return JSON.stringify(rest);
}

const requestCreds = (body: unknown, headers: Record<string, string> = {}, repeats = false) =>
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
 * Requests a credential with a secret as a name or field, which the response may repeat: as the user's name, or as the
 * unknown field. The log must not contain it.
 */
const requestWithName = (body: unknown) => requestCreds(body, {}, true);

async function sendEverything(): Promise<void> {
  await requestCreds({ user: "alice", tags: { room: "lobby" } });
  await requestCreds({ user: "alice", public_key: createUser().getPublicKey() });
  await requestCreds({ user: "alice", role: "service" }, { Accept: "application/x-nats-creds" });
  await requestCreds({ user: "alice", role: "service" }, { Accept: "text/plain" });
  for (const secret of [...Object.values(SENT), ...issued]) {
    for (const field of ["public_key", "role", "ttl"]) await requestCreds({ user: "alice", [field]: secret });
    for (const field of ["user", "public_key", "role", "ttl"]) {
      await requestCreds({ user: "alice", [field]: { [secret]: secret } });
    }
    await requestWithName({ user: secret });
    await requestWithName({ user: "alice", tags: { room: secret } });
    await requestWithName({ user: "alice", tags: { [secret]: "lobby" } });
    await requestWithName({ user: "alice", tags: { [secret]: [secret] } });
    await requestWithName({ user: "alice", [secret]: 1 });
    await requestWithName({ [secret]: secret });
    await requestCreds(secret);
    await requestCreds(`{"user":"${secret}`);
    await requestCreds(`"${secret}"`);
    for (const [name, value] of headersWith(secret)) {
      await requestCreds({ user: "alice" }, { [name]: value });
      await send("/readyz", { headers: { [name]: value } });
      await send("/metrics", { headers: { [name]: value } });
      const origin = { Origin: "https://app.example.com", "Access-Control-Request-Method": "POST" };
      // The response to a preflight names the origin that is not allowed.
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
  // An address has twenty lines of refusals at once, and one more each second: this request has a line in any case.
  await Bun.sleep(1100);
  await requestCreds({ user: "alice", public_key: SENT["a user's seed"] });
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

/** The names of the secrets in a text, and the start of anything with the form of a secret. */
function found(text: string): string[] {
  const secrets = { ...SENT, ...Object.fromEntries([...own, ...issued].map((it, i) => [`secret ${i}`, it])) };
  const known = Object.entries(secrets).filter(([, secret]) =>
    [secret, encodeURIComponent(secret), btoa(secret), secret.toLowerCase()].some((it) => text.includes(it)),
  );
  const shape = SHAPES.exec(text);
  return [
    ...known.map(([name]) => name),
    ...(shape ? [`the form of a secret: ${shape[0].slice(0, 4)}…`] : []),
  ];
}

describe("the scan", () => {
  test("finds planted secrets, also those without the form of a secret", () => {
    for (const [name, secret] of Object.entries(SENT)) {
      expect(found(`{"level":"info","user":"${secret}"}`)).toContain(name);
    }
    for (const secret of [...own, ...issued]) expect(found(`x${secret}`)).not.toEqual([]);
    expect(found(seedOf(createUser()))).not.toEqual([]);
    expect(found("mint listens on http://127.0.0.1:8080")).toEqual([]);
  });

  test("had enough responses and log lines to examine", () => {
    expect(own.length).toBeGreaterThan(2);
    expect(issued.length).toBeGreaterThan(20);
    expect(responses.length).toBeGreaterThan(500);
    for (const status of [200, 400, 403, 404, 405, 415, 422]) {
      expect(responses.some((response) => response.startsWith(`${status} `))).toBe(true);
    }
    expect(responses.some((response) => response.includes("nats_mint_decisions_total"))).toBe(true);
    const lines = service.output().split("\n");
    expect(lines.filter((line) => line.includes('"audit":"granted"')).length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.includes('"audit":"refused"')).length).toBeGreaterThan(20);
  });
});

test("no secret is in the output of the service", () => {
  const lines = service.output().split("\n");
  expect(lines.flatMap((line) => found(line).map((name) => `${name} in ${line.slice(0, 120)}`))).toEqual([]);
});

test("no secret is in a response, except for the credential that it issues", () => {
  const leaked = responses.flatMap((response) =>
    found(response).map((name) => `${name} in ${response.slice(0, 300)}`),
  );
  expect(leaked).toEqual([]);
});
