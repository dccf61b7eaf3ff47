import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { serviceEnvironment } from "../local/environment.ts";
import { prepareTools } from "../local/tools.ts";
import { withDevOrigins } from "./dev-origins.ts";
import { readLocalConfig } from "./local.ts";
import { readMintConfig } from "./mint.ts";
import { servedOrigins } from "./origins.ts";

const OWN = "https://app.example.com";
const PORTS = [3000, 4173, 5173, 5174, 5175, 5176, 5177, 5178, 5179, 5180, 8080];

const toolPath = await prepareTools(readLocalConfig());

/** What the mint and the server allow with these settings, when they run without Docker. */
function allowed(settings: Record<string, string>) {
  const env = {
    NATS_WS_ORIGINS: JSON.stringify([OWN]),
    MINT_KEYS_DIR: "/keys",
    MINT_POLICY_FILE: "/p",
    ...settings,
  };
  const environment = serviceEnvironment(readLocalConfig(env), "");
  const mint = readMintConfig({ ...environment, OIDC_ISSUER: "", MINT_API_KEYS_FILE: "/k" });
  return { mint: [...mint.allowedOrigins], server: serverOrigins(environment) };
}

/** What nats-init writes for nats-server. */
function serverOrigins(environment: Record<string, string>): string[] {
  const { stdout, stderr } = Bun.spawnSync(
    [
      "jq",
      "-nr",
      "-L",
      join(import.meta.dirname, "../../fs/nats-init"),
      'include "settings"; env | allowed_origins',
    ],
    { env: { ...environment, PATH: toolPath } },
  );
  if (stderr.length > 0) throw new Error(String(stderr));
  return JSON.parse(String(stdout));
}

describe("the origins of development servers", () => {
  test.each(["", "127.0.0.1", "127.0.0.2", "::1", "[::1]"])("are allowed with dev on %j, at both", (bind) => {
    const { mint, server } = allowed({ MINT_AUTH: "dev", NATS_BIND: bind });
    for (const host of ["localhost", "127.0.0.1"]) {
      for (const port of PORTS) {
        expect(mint).toContain(`http://${host}:${port}`);
        expect(server).toContain(`http://${host}:${port}`);
      }
    }
    expect(mint).toContain(OWN);
    expect(server).toContain(OWN);
    expect([...mint].sort()).toEqual([...server].sort());
  });

  test.each(["oidc", "api-key", "oidc,api-key"])("are not allowed with %s", (auth) => {
    expect(allowed({ MINT_AUTH: auth })).toEqual({ mint: [OWN], server: [OWN] });
  });

  test.each(["0.0.0.0", "::", "192.0.2.1"])("are not allowed with dev on %s", (bind) => {
    const hosts = bind === "192.0.2.1" ? [bind] : bind === "::" ? ["[::1]"] : [];
    const demo = [...new Set([OWN, ...servedOrigins(8080, hosts)])];
    expect(allowed({ MINT_AUTH: "dev", NATS_BIND: bind })).toEqual({ mint: demo, server: demo });
  });

  test("are not allowed by a mint that is started without NATS_BIND and listens on other addresses", () => {
    const env = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys", MINT_ALLOWED_ORIGINS: JSON.stringify([OWN]) };
    expect(readMintConfig({ ...env, MINT_HOST: "0.0.0.0" }).allowedOrigins).toEqual([OWN]);
    expect(readMintConfig({ ...env, MINT_HOST: "0.0.0.0", NATS_BIND: "127.0.0.1" }).allowedOrigins).toContain(
      "http://localhost:5174",
    );
    expect(readMintConfig(env).allowedOrigins).toContain("http://localhost:5174");
  });

  test("are each there once", () => {
    const all = withDevOrigins(["http://localhost:3000"], { auth: ["dev"], bind: "127.0.0.1" });
    expect(new Set(all).size).toBe(all.length);
  });
});

test("the demo page's origin is allowed with dev, on any port and under any of its names", () => {
  const { mint, server } = allowed({
    MINT_AUTH: "oidc, dev",
    NATS_BIND: "0.0.0.0",
    MINT_PORT: "25223",
    MINT_DEV_HOSTS: "mint.test, Other.Test",
  });
  const hosts = ["localhost", "127.0.0.1", "[::1]", "mint.test", "other.test"];
  expect(mint).toEqual([OWN, ...hosts.map((host) => `http://${host}:25223`)]);
  expect(server).toEqual(mint);
  expect(allowed({ MINT_AUTH: "dev", MINT_PORT: "80" }).server).toContain("http://localhost");
});
