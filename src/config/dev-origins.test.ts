import { describe, expect, test } from "bun:test";
import { serviceEnvironment } from "../local/environment.ts";
import { withDevOrigins } from "./dev-origins.ts";
import { readLocalConfig } from "./local.ts";
import { readMintConfig } from "./mint.ts";

const OWN = "https://app.example.com";
const PORTS = [3000, 4173, 5173, 5174, 5175, 5176, 5177, 5178, 5179, 5180, 8080];

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
  return { mint: mint.allowedOrigins, server: JSON.parse(environment.NATS_WS_ORIGINS ?? "") };
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
    expect(allowed({ MINT_AUTH: "dev", NATS_BIND: bind })).toEqual({ mint: [OWN], server: [OWN] });
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

test.each(["", "http://localhost:3000", '{"a":1}', "[", '"x"'])(
  "NATS_WS_ORIGINS=%j, which is no list, reaches nats-init as it is",
  (text) => {
    const config = readLocalConfig({ MINT_AUTH: "dev", NATS_WS_ORIGINS: text });
    expect(serviceEnvironment(config, "").NATS_WS_ORIGINS).toBe(text);
  },
);
