import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUser } from "nkeys.js";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { type Environment, flushAll, logIn, makeEnvironment, runService, within } from "../mint/parts.ts";
import { runCommand } from "../policy/command.ts";
import { freePorts } from "../ports.ts";
import { API, type OpenIdProvider, startProvider } from "./provider.ts";

/** The service with all authentication methods, a real OpenID provider, and a real nats-server. */

const projectDir = join(import.meta.dirname, "../..");
const RULE = { when: {}, grant: { role: "browser" } };

let environment: Environment;
let provider: OpenIdProvider;
let dir: string;

beforeAll(async () => {
  environment = await makeEnvironment();
  provider = await startProvider();
  dir = mkdtempSync(join(tmpdir(), "auth-methods-"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await provider.stop();
  await environment[Symbol.asyncDispose]();
});

const writePolicy = (policy: unknown) => writeFileSync(join(dir, "policy.json"), JSON.stringify(policy));

function launch(auth: string, settings: Record<string, string> = {}) {
  return runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    PATH: process.env.PATH ?? "",
    MINT_AUTH: auth,
    MINT_KEYS_DIR: environment.recipe.env.KEYS_DIR ?? "",
    MINT_POLICY_FILE: join(dir, "policy.json"),
    MINT_API_KEYS_FILE: join(dir, "api-keys.json"),
    OIDC_ISSUER: provider.issuer,
    OIDC_AUDIENCE: API,
    NATS_WS_URLS: environment.url("ws"),
    ...settings,
  });
}

async function start(auth: string, settings: Record<string, string> = {}) {
  const [port] = await freePorts(1);
  const service = launch(auth, { MINT_PORT: String(port), ...settings });
  await service.waitFor(/mint listens on/);
  return {
    ...service,
    get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`),
    async requestCreds(proof?: string, body: object = {}) {
      const response = await fetch(`http://127.0.0.1:${port}/creds`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...(proof && { Authorization: proof }) },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as CredsResponse & { code: string } };
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
  };
}

describe("a service with OpenID tokens and API keys", () => {
  test("issues what the policy grants, and the server enforces it", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc,api-key");
    const token = await provider.idToken("alice");
    expect((await service.requestCreds(`Bearer ${token}`)).body.code).toBe("unauthorized");
    const pair = createUser();
    const access = await provider.accessToken();
    const { status, body } = await service.requestCreds(`Bearer ${access}`, {
      public_key: pair.getPublicKey(),
    });
    expect([status, body.role]).toEqual([200, "browser"]);
    expect(body.user).toMatch(/^u-[a-z2-7]{32}$/);

    const login = { ...body, seed: new TextDecoder().decode(pair.getSeed()) };
    await using page = await logIn(login, environment.url("ws"));
    const own = await page.subscribe(`users.${body.user}.>`);
    const others = await page.subscribe("users.*.>");
    page.nc.publish(`users.${body.user}.x`, "hello");
    await flushAll(page);
    expect([own.messages, others.denied]).toEqual([["hello"], true]);

    await service.waitFor(/"audit":"granted"/);
    expect(service.output()).not.toContain(access.split(".")[2] as string);
    expect(service.output()).not.toContain(body.jwt);
    expect(await service.metrics()).toContain(
      `nats_mint_issuer_keys_age_seconds{issuer="${provider.issuer}"}`,
    );
  });

  test("accepts an API key as soon as it is made, for the user in the request", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc,api-key");
    const { out } = await runCommand(["api-key", "add", "--roles", "service"], {
      MINT_API_KEYS_FILE: join(dir, "api-keys.json"),
      PATH: process.env.PATH ?? "",
    });
    const key = out.trim();
    await service.waitFor(/api-keys\.json loaded/);
    const granted = await service.requestCreds(`Bearer ${key}`, { user: "alice" });
    expect(granted).toMatchObject({ status: 200, body: { user: "alice", role: "service" } });
    expect((await service.requestCreds(`Bearer ${key}`, { user: "alice", role: "browser" })).status).toBe(
      403,
    );
    await service.waitFor(new RegExp(`"issuer":"api-key:${key.split("_")[1]}"`));
    expect(service.output()).not.toContain(key);
  });

  test("uses a changed policy, and keeps the last valid one", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc");
    const bearer = `Bearer ${await provider.accessToken()}`;
    expect((await service.requestCreds(bearer)).status).toBe(200);
    writePolicy({ rules: [{ ...RULE, wen: {} }] });
    await service.waitFor(/"warn".*policy\.json.*wen/);
    expect((await service.requestCreds(bearer)).status).toBe(200);
    writePolicy({ rules: [{ when: { claims: [{ claim: "staff", equals: true }] }, grant: RULE.grant }] });
    await service.waitFor(/policy\.json loaded/);
    expect((await service.requestCreds(bearer)).body.code).toBe("role_not_allowed");
  });
});

test("a request with a proof that no method accepts is not authenticated by `dev`", async () => {
  writePolicy({ rules: [RULE] });
  await using service = await start("dev,oidc");
  for (const proof of ["Bearer opaque", "Basic YTpi", "Bearer a.b.c", "Bearer"]) {
    expect([proof, (await service.requestCreds(proof, { user: "alice" })).body.code]).toEqual([
      proof,
      "unauthorized",
    ]);
  }
  expect((await service.requestCreds(undefined, { user: "alice" })).status).toBe(200);
});

test("plain http is said at the start, a wrong issuer too, and pages may send the headers of the settings", async () => {
  writePolicy({ rules: [RULE], issuers: [{ issuer: `${provider.issuer}/none`, audience: [API] }] });
  const [port] = await freePorts(1);
  await using service = launch("oidc", {
    MINT_PORT: String(port),
    OIDC_ALLOW_HTTP: "true",
    MINT_ALLOWED_ORIGINS: '["https://app.example.com"]',
    MINT_ALLOWED_HEADERS: "x-request-source",
  });
  await service.waitFor(/OIDC_ALLOW_HTTP=true: issuers are reached by plain http/);
  await service.waitFor(/"warn".*none\\": its discovery document can't be fetched: the response was 404/);
  await service.waitFor(/mint listens on/);
  const headers = { Origin: "https://app.example.com", "Access-Control-Request-Method": "POST" };
  const response = await fetch(`http://127.0.0.1:${port}/creds`, { method: "OPTIONS", headers });
  const allowed = response.headers.get("Access-Control-Allow-Headers")?.split(",");
  expect(allowed).toEqual(expect.arrayContaining(["traceparent", "sentry-trace", "x-request-source"]));
});

test("a request without a proof is unauthorized", async () => {
  writePolicy({ rules: [RULE] });
  await using service = await start("api-key,oidc");
  expect((await service.requestCreds(undefined, { user: "alice" })).body.code).toBe("unauthorized");
});

describe("the service does not start", () => {
  const refused = async (settings: Record<string, string>) => {
    await using service = launch("oidc", settings);
    expect(await within(service.ended, "the exit of the service")).toBe(1);
    return service.output();
  };

  test("with a policy file that is invalid or missing", async () => {
    writePolicy({ rules: [{ grant: RULE.grant }] });
    expect(await refused({})).toContain("policy.json: rules[0].when: is missing");
    expect(await refused({ MINT_POLICY_FILE: join(dir, "none.json") })).toContain("none.json: ");
  });

  test("with an issuer in a form that no token has in its iss; the message contains the correct form", async () => {
    writePolicy({ rules: [RULE] });
    const upperCase = provider.issuer.replace("http", "HTTP");
    expect(await refused({ OIDC_ISSUER: upperCase })).toMatch(
      new RegExp(`^OIDC_ISSUER: got "${upperCase}", wanted .*: ${provider.issuer}$`, "m"),
    );
    writePolicy({ rules: [RULE], issuers: [{ issuer: upperCase, audience: [API] }] });
    expect(await refused({ OIDC_ISSUER: "", OIDC_AUDIENCE: "" })).toMatch(
      new RegExp(`policy.json: issuers\\[0\\].issuer: must be .*: ${provider.issuer}$`, "m"),
    );
  });

  test("with a file of authorities that is missing, or plain http in production", async () => {
    writePolicy({ rules: [RULE] });
    const caFile = join(dir, "none.pem");
    expect(await refused({ OIDC_CA_FILE: caFile })).toContain(
      `OIDC_CA_FILE: ${caFile}: does not exist, wanted one or more certificates in PEM`,
    );
    expect(await refused({ OIDC_ALLOW_HTTP: "true", NODE_ENV: "production" })).toContain(
      'OIDC_ALLOW_HTTP: got "true", wanted false where NODE_ENV is production',
    );
    expect(await refused({ OIDC_ISSUER: "http://keycloak:8080" })).toContain("OIDC_ALLOW_HTTP=true");
  });

  test("with oidc and no issuer", async () => {
    writePolicy({ rules: [RULE] });
    expect(await refused({ OIDC_ISSUER: "", OIDC_AUDIENCE: "" })).toContain(
      "issuers: must not be empty when OIDC_ISSUER is not set",
    );
  });
});

test.each([
  ["oidc", "a token of an OpenID provider"],
  ["api-key", "an API key"],
  ["oidc,api-key", "a token of an OpenID provider or an API key"],
])("with %s the page at / says what the service is and where to go", async (auth, proofs) => {
  writePolicy({ rules: [RULE] });
  await using service = await start(auth);
  const response = await service.get("/");
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toStartWith("text/html");
  expect(response.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  const text = await response.text();
  expect(text).toContain(`requests a credential with <code>POST /creds</code> and ${proofs}.`);
  const [, link = ""] = /href="(.*?)"/.exec(text) ?? [];
  expect((await service.get(`/${link}`)).status).toBe(200);
  for (const path of ["/index.html", "/demo/main.js"]) expect((await service.get(path)).status).toBe(404);
});

test("a role without a key that the policy, an API key or MINT_DEFAULT_ROLE names is warned of, at start and later", async () => {
  writePolicy({
    rules: [RULE, { when: { claims: [{ claim: "a", present: true }] }, grant: { role: "admin" } }],
  });
  const key = { description: "", hash: `sha256:${"0".repeat(64)}`, created_at: "2026-01-01T00:00:00Z" };
  writeFileSync(
    join(dir, "api-keys.json"),
    JSON.stringify([{ ...key, id: "k".repeat(8), roles: ["browser", "report"] }]),
  );
  await using service = await start("oidc,api-key,dev", { MINT_DEFAULT_ROLE: "guest" });
  const warning = (place: string, role: string) =>
    new RegExp(`${place}: the mint has no key for ."${role}.", so it is refused`);
  await service.waitFor(warning("policy.json: rules.1..grant.role", "admin"));
  await service.waitFor(warning("api-keys.json: key k+", "report"));
  await service.waitFor(warning("MINT_DEFAULT_ROLE", "guest"));
  writePolicy({ rules: [{ when: {}, grant: { role: "later" } }] });
  await service.waitFor(warning("policy.json: rules.0..grant.role", "later"));
  expect(service.output().match(/the mint has no key/g)).toHaveLength(4);
  rmSync(join(dir, "api-keys.json"));
});
