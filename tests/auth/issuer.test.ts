import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { pino } from "pino";
import { type MintConfig, readMintConfig } from "../../src/config/mint.ts";
import { ConfigError } from "../../src/core/errors.ts";
import { createMint } from "../../src/core/mint.ts";
import { makeAccount } from "../../src/core/roles/account.fixture.ts";
import { createApp } from "../../src/http/app.ts";
import { makeAuthMethods } from "../../src/service/auth-methods.ts";

/**
 * Any text as an issuer is refused at the start, or a valid token with exactly this `iss` gets a credential.
 */

const RULES = [{ when: {}, grant: { role: "browser" } }];

const { accountJwt, seeds } = await makeAccount();
const mint = createMint({ accountJwt, roles: { browser: { seed: seeds.browser ?? "", ttl: 60 } } });
const { publicKey, privateKey } = await generateKeyPair("ES256");
const dir = mkdtempSync(join(tmpdir(), "issuer-"));
const policyFile = join(dir, "policy.json");
/** The `issuer` of the discovery document. */
let discovered = "";
let provider: Bun.Server<undefined>;

beforeAll(async () => {
  const keys = [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" }];
  provider = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) =>
      Response.json(
        url.endsWith("/keys") ? { keys } : { issuer: discovered, jwks_uri: `${provider.url.origin}/keys` },
      ),
  });
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await provider.stop(true);
});

/** The status of a request with a valid token of the issuer, or the error in the configuration. */
async function outcome(issuer: string, where: "settings" | "policy"): Promise<number | string> {
  discovered = issuer.trim();
  const inPolicy = { issuer, audience: ["nats"], jwks_uri: `${provider.url.origin}/keys` };
  writeFileSync(policyFile, JSON.stringify({ rules: RULES, issuers: where === "policy" ? [inPolicy] : [] }));
  try {
    const config = readMintConfig({
      MINT_AUTH: "oidc",
      MINT_KEYS_DIR: dir,
      MINT_POLICY_FILE: policyFile,
      ...(where === "settings" && { OIDC_ISSUER: issuer, OIDC_AUDIENCE: "nats" }),
    });
    return await statusOf(config, issuer.trim());
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

async function statusOf(config: MintConfig, issuer: string): Promise<number> {
  using methods = await makeAuthMethods(config, {
    log: pino({ level: "silent" }),
    reloaded: () => {},
  });
  const { authenticateToken, grant } = methods;
  const app = createApp({
    mint,
    ...(authenticateToken && { authenticateToken }),
    grant,
    servers: { websocket: [], tcp: [] },
  });
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "ES256", kid: "1" })
    .setIssuer(issuer)
    .setSubject("alice")
    .setAudience("nats")
    .setExpirationTime("5 minutes")
    .sign(privateKey);
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
  const { status } = await app.request("/creds", { method: "POST", headers, body: "{}" });
  return status;
}

const { constantFrom, oneof, record, string } = fc;

/** One of the usual texts in most cases, so that some of the URLs are valid. */
const mostly = (usual: readonly string[], ...odd: readonly (string | fc.Arbitrary<string>)[]) =>
  oneof(
    { weight: 4, arbitrary: constantFrom(...usual) },
    { weight: 1, arbitrary: oneof(...odd.map((one) => (typeof one === "string" ? fc.constant(one) : one))) },
  );

const anyIssuer = record({
  scheme: mostly(["https:"], "http:", "HTTPS:", "Http:", "hTTps:", "ftp:", ""),
  slashes: mostly(["//"], "/", "///", "\\\\", "", "//@", "//:@", "//a:b@", "// ", "//\t"),
  host: mostly(
    ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "login.example.com", "Login.Example.com", "a.example."],
    "127.1",
    "0x7f.1",
    "münchen.example",
    "ex%61mple.com",
    "[::1",
    string({ maxLength: 6 }),
  ),
  port: mostly(["", ":443", ":8443"], ":80", ":0443", ":", ":x", ":99999"),
  path: mostly(
    ["", "/", "/realms/a", "/a@b/"],
    "/a/../b",
    "//a",
    "/%2e/a",
    "/réalm",
    "/a b",
    string({ unit: "grapheme", maxLength: 6 }),
  ),
  end: mostly([""], "?", "?a=b", "#", "#a", " ", "\n", "\u0000"),
}).map(({ scheme, slashes, host, port, path, end }) => scheme + slashes + host + port + path + end);

test("an issuer in the policy file is refused, or its tokens are accepted", async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(anyIssuer, async (issuer) => {
      const result = await outcome(issuer, "policy");
      if (result === 200) accepted++;
      else expect(result).toContain("issuers[0].issuer: must be an https URL");
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(50);
});

test("OIDC_ISSUER is refused, or its tokens are accepted", async () => {
  const { port } = provider;
  const good = [
    `http://127.0.0.1:${port}`,
    `http://127.0.0.1:${port}/`,
    `http://127.0.0.1:${port}/realms/a/`,
    `http://127.1:${port}`,
    `http://127.0.0.1:${port}/a/../b`,
    ` http://127.0.0.1:${port}/%41 `,
  ];
  for (const issuer of good) expect([issuer, await outcome(issuer, "settings")]).toEqual([issuer, 200]);
  const wrong = [
    `HTTP://127.0.0.1:${port}`,
    `http:127.0.0.1:${port}`,
    `http:\\\\127.0.0.1:${port}`,
    `http://@127.0.0.1:${port}`,
    `http://127.0.0.1:${port}?`,
    `http://127.0.0.1:${port}#`,
    `http://127.0.0.1:${port}/ä`,
    `http://127.0.0.1.:${port}/a b`,
  ];
  for (const issuer of wrong) {
    const result = await outcome(issuer, "settings");
    expect([issuer, result]).toEqual([
      issuer,
      expect.stringMatching(/^OIDC_ISSUER: got .*wanted an https URL/),
    ]);
  }
});
