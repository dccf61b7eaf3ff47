import { expect, test } from "bun:test";
import { join } from "node:path";
import { readCliConfig } from "./cli.ts";
import { projectDir } from "./env.ts";
import { mistakes } from "./mistakes.fixture.ts";

test("the commands use the checkout's files and the keys that npm start exports", () => {
  expect(readCliConfig({})).toEqual({
    keysDir: join(projectDir, ".data/keys"),
    policyFile: join(projectDir, "fs/mint/policy.json"),
    apiKeysFile: join(projectDir, "fs/mint/api-keys.json"),
    issuer: undefined,
    allowHttp: false,
    caFile: undefined,
  });
  expect(readCliConfig({ DATA_DIR: "/data" }).keysDir).toBe("/data/keys");
  expect(readCliConfig({ DATA_DIR: "/data", MINT_KEYS_DIR: "/keys" }).keysDir).toBe("/keys");
});

test("the commands accept the mint's issuer, with an audience", () => {
  const env = { OIDC_ISSUER: "https://login.example.com", OIDC_AUDIENCE: "nats" };
  expect(readCliConfig(env).issuer).toEqual({ issuer: "https://login.example.com", audience: ["nats"] });
  expect(mistakes(() => readCliConfig({ ...env, OIDC_ISSUER: "" }))).toEqual([
    "OIDC_ISSUER: is not set, wanted the issuer that OIDC_AUDIENCE belongs to",
  ]);
  expect(mistakes(() => readCliConfig({ ...env, OIDC_AUDIENCE: "," }))).toEqual([
    'OIDC_AUDIENCE: got ",", wanted a comma-separated list',
  ]);
});
