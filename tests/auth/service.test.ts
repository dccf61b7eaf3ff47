import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createUser } from "nkeys.js";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { logIn, makeWorld, runService, settle, type World, within } from "../mint/parts.ts";
import { runCommand } from "../policy/command.ts";
import { freePorts } from "../ports.ts";
import { API, type OpenIdProvider, startProvider } from "./provider.ts";

/** The service with all its ways of logging in: a real provider before it, a real nats-server behind it. */

const projectDir = join(import.meta.dirname, "../..");
const RULE = { when: {}, grant: { role: "browser" } };

let world: World;
let provider: OpenIdProvider;
let dir: string;

beforeAll(async () => {
  world = await makeWorld();
  provider = await startProvider();
  dir = mkdtempSync(join(tmpdir(), "ways-"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await provider.stop();
  await world[Symbol.asyncDispose]();
});

const writePolicy = (policy: unknown) => writeFileSync(join(dir, "policy.json"), JSON.stringify(policy));

function launch(auth: string, settings: Record<string, string> = {}) {
  return runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    PATH: process.env.PATH ?? "",
    MINT_AUTH: auth,
    MINT_KEYS_DIR: world.recipe.env.KEYS_DIR ?? "",
    MINT_POLICY_FILE: join(dir, "policy.json"),
    MINT_API_KEYS_FILE: join(dir, "api-keys.json"),
    OIDC_ISSUER: provider.issuer,
    OIDC_AUDIENCE: API,
    NATS_WS_URLS: world.url("ws"),
    ...settings,
  });
}

async function start(auth: string) {
  const [port] = await freePorts(1);
  const service = launch(auth, { MINT_PORT: String(port) });
  await service.says(/mint listens on/);
  return {
    ...service,
    async ask(proof?: string, body: object = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}/creds`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...(proof && { Authorization: proof }) },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as CredsResponse & { code: string } };
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
  };
}

describe("a service that believes tokens and API keys", () => {
  test("gives what the policy says, for the server that then enforces it", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc,api-key");
    const token = await provider.idToken("alice");
    expect((await service.ask(`Bearer ${token}`)).body.code).toBe("unauthorized");
    const pair = createUser();
    const access = await provider.accessToken();
    const { status, body } = await service.ask(`Bearer ${access}`, { public_key: pair.getPublicKey() });
    expect([status, body.role]).toEqual([200, "browser"]);
    expect(body.user).toMatch(/^u-[a-z2-7]{32}$/);

    const login = { ...body, seed: new TextDecoder().decode(pair.getSeed()) };
    await using page = await logIn(login, world.url("ws"));
    const own = await page.subscribe(`users.${body.user}.>`);
    const others = await page.subscribe("users.*.>");
    page.nc.publish(`users.${body.user}.x`, "hello");
    await settle(page);
    expect([own.messages, others.denied]).toEqual([["hello"], true]);

    await service.says(/"audit":"granted"/);
    expect(service.said()).not.toContain(access.split(".")[2] as string);
    expect(service.said()).not.toContain(body.jwt);
    expect(await service.metrics()).toContain(
      `nats_mint_issuer_keys_age_seconds{issuer="${provider.issuer}"}`,
    );
  });

  test("takes a key for the user that it names, from the moment it is made", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc,api-key");
    const { out } = await runCommand(["api-key", "add", "--roles", "service"], {
      MINT_API_KEYS_FILE: join(dir, "api-keys.json"),
      PATH: process.env.PATH ?? "",
    });
    const key = out.trim();
    await service.says(/api-keys\.json loaded/);
    const granted = await service.ask(`Bearer ${key}`, { user: "alice" });
    expect(granted).toMatchObject({ status: 200, body: { user: "alice", role: "service" } });
    expect((await service.ask(`Bearer ${key}`, { user: "alice", role: "browser" })).status).toBe(403);
    await service.says(new RegExp(`"issuer":"api-key:${key.split("_")[1]}"`));
    expect(service.said()).not.toContain(key);
  });

  test("follows its policy, and keeps the last good one", async () => {
    writePolicy({ rules: [RULE] });
    await using service = await start("oidc");
    const bearer = `Bearer ${await provider.accessToken()}`;
    expect((await service.ask(bearer)).status).toBe(200);
    writePolicy({ rules: [{ ...RULE, wen: {} }] });
    await service.says(/"warn".*policy\.json.*wen/);
    expect((await service.ask(bearer)).status).toBe(200);
    writePolicy({ rules: [{ when: { claims: [{ claim: "staff", equals: true }] }, grant: RULE.grant }] });
    await service.says(/policy\.json loaded/);
    expect((await service.ask(bearer)).body.code).toBe("role_not_allowed");
  });
});

test("who shows a proof that nobody takes is not believed by `dev` beside", async () => {
  writePolicy({ rules: [RULE] });
  await using service = await start("dev,oidc");
  for (const proof of ["Bearer opaque", "Basic YTpi", "Bearer a.b.c", "Bearer"]) {
    expect([proof, (await service.ask(proof, { user: "alice" })).body.code]).toEqual([proof, "unauthorized"]);
  }
  expect((await service.ask(undefined, { user: "alice" })).status).toBe(200);
});

test("nobody is believed who shows nothing", async () => {
  writePolicy({ rules: [RULE] });
  await using service = await start("api-key,oidc");
  expect((await service.ask(undefined, { user: "alice" })).body.code).toBe("unauthorized");
});

describe("the service does not start", () => {
  const refused = async (settings: Record<string, string>) => {
    await using service = launch("oidc", settings);
    expect(await within(service.ended, "its end")).toBe(1);
    return service.said();
  };

  test("with a policy that is broken, or not there", async () => {
    writePolicy({ rules: [{ grant: RULE.grant }] });
    expect(await refused({})).toContain("policy.json: rules[0].when: is missing");
    expect(await refused({ MINT_POLICY_FILE: join(dir, "none.json") })).toContain("none.json: ");
  });

  test("with an issuer in a form that no token has in its iss; the message has the form to write", async () => {
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

  test("without an issuer", async () => {
    writePolicy({ rules: [RULE] });
    expect(await refused({ OIDC_ISSUER: "", OIDC_AUDIENCE: "" })).toContain(
      "issuers: must not be empty when OIDC_ISSUER is not set",
    );
  });
});
