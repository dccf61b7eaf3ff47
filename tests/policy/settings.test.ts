import { describe, expect, test } from "bun:test";
import { runCommand } from "./command.ts";

/** `settings check` reports what has no effect, as a start does. */

const DEV = { MINT_AUTH: "dev" };
const ignored = (name: string, where: string, hint: string) =>
  `${name} in ${where} is not a setting, and is ignored. ${hint}`;

describe("outside a container", () => {
  test.each([
    ["MINT_RATE_LIMT", "Did you mean MINT_RATE_LIMIT?"],
    ["NATS_PROT", "Did you mean NATS_PORT?"],
    ["MINT_COLOUR", "docs/configuration.md has all of them."],
  ])("names %s of the environment", async (name, hint) => {
    const { code, out, err } = await runCommand(["settings", "check"], { ...DEV, [name]: "1" });
    expect([code, out]).toEqual([0, "settings: good\n"]);
    expect(err).toContain(ignored(name, "the environment", hint));
  });

  test("names a misspelt variable also when a setting is wrong", async () => {
    const env = { MINT_AUTH: "oidc", OIDC_ISSUER: "https://login.example.com", OIDC_AUDIANCE: "nats" };
    const { code, err } = await runCommand(["settings", "check"], env);
    expect(code).toBe(1);
    expect(err).toContain(ignored("OIDC_AUDIANCE", "the environment", "Did you mean OIDC_AUDIENCE?"));
    expect(err).toContain("OIDC_AUDIENCE: is not set");
  });
});

describe("in a container, where the settings have a prefix and .env.local has none", () => {
  const settings = {
    SETTING_MINT_AUTH: "dev",
    SETTING_NATS_PORT: "4222",
    COMPOSE_ENV_FILES: ".env,.env.local",
  };

  test.each([
    ["MINT_RATE_LIMT", "Did you mean MINT_RATE_LIMIT?"],
    ["OIDC_ISSUERS", "Did you mean OIDC_ISSUER?"],
    ["NATS_COLOUR", "docs/configuration.md has all of them."],
  ])("names %s of .env.local", async (name, hint) => {
    const { err } = await runCommand(["settings", "check"], { ...settings, [name]: "1" });
    expect(err).toContain(ignored(name, ".env.local", hint));
  });

  test("names nothing else", async () => {
    const { code, out, err } = await runCommand(["settings", "check"], {
      ...settings,
      MINT_RATE_LIMIT: "100,100",
      SETTING_MINT_RATE_LIMIT: "100,100",
      MINT_POLICY_FILE: "/fs/mint/policy.json",
    });
    expect([code, out, err]).toEqual([0, "settings: good\n", ""]);
  });
});
