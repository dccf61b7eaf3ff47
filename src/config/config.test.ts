import { describe, expect, test } from "bun:test";
import { ConfigError } from "../core/errors.ts";
import { readClientConfig, readLocalConfig, readMintConfig, settings } from "./config.ts";

const OK = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys" };

function complaints(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("the mint's configuration", () => {
  test("needs to be told how to authenticate and where the keys are, no more", () => {
    expect(readMintConfig(OK)).toEqual({
      auth: ["dev"],
      host: "127.0.0.1",
      port: 8080,
      workers: 1,
      keysDir: "/keys",
      defaultRole: "browser",
      policyFile: "",
      apiKeysFile: "",
      rateLimit: { address: 600, subject: 60 },
      trustedProxies: [],
      devHosts: [],
      allowedOrigins: [],
      servers: { websocket: ["ws://127.0.0.1:9222"], tcp: ["nats://127.0.0.1:4222"] },
    });
  });

  test("takes all its variables, and an empty one for not set", () => {
    const config = readMintConfig({
      MINT_AUTH: " dev ",
      MINT_HOST: "0.0.0.0",
      MINT_PORT: "",
      MINT_WORKERS: "64",
      MINT_KEYS_DIR: "keys",
      MINT_DEFAULT_ROLE: "service",
      MINT_DEV_HOSTS: "mint, mint.test,",
      MINT_ALLOWED_ORIGINS: '["http://localhost:5173", "https://app.example.com"]',
      NATS_WS_URLS: "wss://a.example.com,wss://b.example.com:443/nats",
      NATS_TCP_URLS: "tls://a.example.com",
    });
    expect(config.port).toBe(8080);
    expect(config.workers).toBe(64);
    expect(config.devHosts).toEqual(["mint", "mint.test"]);
    expect(config.allowedOrigins).toEqual(["http://localhost:5173", "https://app.example.com"]);
    expect(config.servers.websocket).toHaveLength(2);
  });

  test("says everything that is wrong at once, one line each: name, what it got, what it wants", () => {
    const env = {
      MINT_PORT: "http",
      MINT_ALLOWED_ORIGINS: "*",
      NATS_WS_URLS: "http://x",
      MINT_KEYS_DIR: " ",
    };
    expect(complaints(() => readMintConfig(env))).toEqual([
      "MINT_AUTH: is not set, wanted a comma-separated list of oidc, api-key and dev (which believes every caller, so it must be asked for)",
      'MINT_PORT: got "http", wanted a port, 1 to 65535',
      'MINT_KEYS_DIR: got " ", wanted some text',
      'MINT_ALLOWED_ORIGINS: got "*", wanted a JSON list of origins, ["https://app.example.com"]',
      'NATS_WS_URLS: got "http://x", wanted a comma-separated list of ws:// or wss:// URLs',
    ]);
  });

  test("refuses each wrong value", () => {
    const wrong: [string, string[]][] = [
      ["MINT_AUTH", ["none", "dev,oauth", "DEV", ","]],
      ["MINT_RATE_LIMIT", ["none", "600", "600,0", "-1,5", "1e3,5", "600,60,6", "1000001,60", "OFF"]],
      ["MINT_TRUSTED_PROXIES", ["proxy", "10.0.0.0/33", "10.0.0.0/0", "::/129", "10.0.0/8", "10.0.0.0/8/8"]],
      ["MINT_PORT", ["0", "65536", "-1", "80.5", "0x50", "1e3", "8080 9090"]],
      ["MINT_WORKERS", ["0", "65", "-1", "1.5", "1e1", "two", "2 4"]],
      ["MINT_DEFAULT_ROLE", ["a b", "*"]],
      ["MINT_DEV_HOSTS", ["*", "mint:8080", "http://mint", "a b"]],
      [
        "MINT_ALLOWED_ORIGINS",
        [
          "https://a.com",
          '"https://a.com"',
          "{}",
          "[1]",
          '["*"]',
          '["https://a.com/"]',
          '["HTTPS://a.com"]',
          '["https://a.com:443"]',
          '["null"]',
          '["ftp://a.com"]',
        ],
      ],
      ["NATS_WS_URLS", ["localhost:9222", "nats://localhost", "ws://"]],
      ["NATS_TCP_URLS", ["ws://localhost", "localhost:4222", "nats://user:pass@localhost"]],
    ];
    for (const [name, values] of wrong) {
      for (const value of values) {
        const lines = complaints(() => readMintConfig({ ...OK, [name]: value }));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toStartWith(`${name}: got `);
      }
    }
  });

  test("for oidc needs a policy, and takes an issuer with an audience, not one of the two", () => {
    const oidc = { ...OK, MINT_AUTH: "oidc, api-key", MINT_POLICY_FILE: "/p", MINT_API_KEYS_FILE: "/k" };
    const issuer = { OIDC_ISSUER: "https://login.example.com", OIDC_AUDIENCE: "nats, mint" };
    expect(readMintConfig(oidc).issuer).toBeUndefined();
    expect(readMintConfig({ ...oidc, ...issuer }).issuer).toEqual({
      issuer: "https://login.example.com",
      audience: ["nats", "mint"],
    });
    for (const [name, env] of [
      ["OIDC_AUDIENCE", { ...oidc, ...issuer, OIDC_AUDIENCE: "" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "http://login.example.com" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "https://login.example.com?tenant=1" }],
      ["MINT_POLICY_FILE", { ...oidc, MINT_POLICY_FILE: "" }],
      ["MINT_API_KEYS_FILE", { ...oidc, MINT_API_KEYS_FILE: "" }],
    ] as const) {
      const lines = complaints(() => readMintConfig(env));
      expect([name, lines]).toEqual([name, [expect.stringMatching(new RegExp(`^${name}: `))]]);
    }
  });

  test("names servers by the address and the ports that they listen on", () => {
    const servers = (env: Record<string, string>) => {
      const { websocket, tcp } = readMintConfig({ ...OK, NATS_PORT: "4", NATS_WS_PORT: "9", ...env }).servers;
      return [...websocket, ...tcp].join(" ");
    };
    for (const [bind, host] of [
      ["", "127.0.0.1"],
      ["127.0.0.1", "127.0.0.1"],
      ["0.0.0.0", "127.0.0.1"],
      ["192.0.2.1", "192.0.2.1"],
      ["::", "[::1]"],
      ["0:0:0:0:0:0:0:0", "[::1]"],
      ["[::]", "[::1]"],
      ["::1", "[::1]"],
      ["2001:DB8::1", "[2001:db8::1]"],
    ] as const) {
      expect([bind, servers({ NATS_BIND: bind })]).toEqual([bind, `ws://${host}:9 nats://${host}:4`]);
      const { host: own, mintUrl } = readLocalConfig({ NATS_BIND: bind });
      expect([own, mintUrl]).toEqual([host, `http://${host}:8080`]);
      expect(readClientConfig({ NATS_BIND: bind }).mintUrl).toBe(`http://${host}:8080`);
    }
    expect(readLocalConfig({ NATS_BIND: "0.0.0.0" }).monitoringBind).toBe("127.0.0.1");
    expect(readLocalConfig({ NATS_HTTP_BIND: "::" }).monitoringBind).toBe("::");
    for (const bind of ["localhost", "fe80::1%eth0", "[127.0.0.1", "127.1"]) {
      const [line] = complaints(() => readMintConfig({ ...OK, NATS_BIND: bind }));
      expect(line).toStartWith(`NATS_BIND: got "${bind}", wanted an IP address`);
    }
  });

  test("refuses to believe everybody in production", () => {
    expect(complaints(() => readMintConfig({ ...OK, NODE_ENV: "production" }))[0]).toStartWith("MINT_AUTH: ");
  });
});

describe("a complaint", () => {
  test("never shows a secret, by the variable's name or by its looks", () => {
    const seed = `SU${"A".repeat(56)}`;
    const env = {
      API_TOKEN: "hunter2",
      NATS_ACCOUNT_SECRET: "hunter2",
      PLAIN: seed,
      NATS_TCP_URLS: "nats://me:hunter2@x",
    };
    const from = settings(env);
    for (const name of Object.keys(env)) from.port(name);
    const text = complaints(from.done).join("\n");
    expect(text.split("\n")).toHaveLength(4);
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain(seed);
  });

  test("is one short line, whatever the value", () => {
    const from = settings({ X: `a\nb\u202e${"c".repeat(1000)}` });
    from.port("X");
    const lines = complaints(from.done);
    expect(lines).toHaveLength(1);
    expect(lines[0]?.length).toBeLessThan(140);
  });
});
