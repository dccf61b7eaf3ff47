import { describe, expect, test } from "bun:test";
import { AUTH_METHODS } from "../core/identity.ts";
import { withDevOrigins } from "./dev-origins.ts";
import { readMintConfig } from "./mint.ts";
import { mistakes } from "./mistakes.fixture.ts";

const OK = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys" };

describe("the configuration of the mint", () => {
  test("needs only the authentication methods and the directory of the keys", () => {
    expect(readMintConfig(OK)).toEqual({
      auth: { dev: { defaultRole: "browser", hosts: [], demoDir: undefined } },
      host: "127.0.0.1",
      port: 8080,
      workers: 1,
      keysDir: "/keys",
      rateLimit: { address: 600, subject: 60 },
      trustedProxies: [],
      allowedOrigins: withDevOrigins([], { auth: ["dev"], bind: "127.0.0.1" }),
      configuredOrigins: [],
      allowedHeaders: [],
      servers: { websocket: ["ws://127.0.0.1:9222"], tcp: ["nats://127.0.0.1:4222"] },
    });
  });

  test("reads all its variables, and treats an empty one as not set", () => {
    const config = readMintConfig({
      MINT_AUTH: " dev ",
      MINT_HOST: "0.0.0.0",
      MINT_PORT: "",
      MINT_WORKERS: "64",
      MINT_KEYS_DIR: "keys",
      MINT_DEFAULT_ROLE: "service",
      MINT_DEMO_DIR: "/demo",
      MINT_DEV_HOSTS: "mint, mint.test,",
      MINT_ALLOWED_ORIGINS: '["http://localhost:5173", "https://app.example.com"]',
      MINT_ALLOWED_HEADERS: "X-Request-Source, x-datadog-trace-id",
      NATS_WS_URLS: "wss://a.example.com,wss://b.example.com:443/nats",
      NATS_TCP_URLS: "tls://a.example.com",
    });
    expect(config.port).toBe(8080);
    expect(config.workers).toBe(64);
    expect(config.auth).toEqual({
      dev: { defaultRole: "service", hosts: ["mint", "mint.test"], demoDir: "/demo" },
    });
    expect(config.allowedOrigins).toEqual(["http://localhost:5173", "https://app.example.com"]);
    expect(config.allowedHeaders).toEqual(["X-Request-Source", "x-datadog-trace-id"]);
    expect(config.servers.websocket).toHaveLength(2);
  });

  test("reports all mistakes at once, one line each: variable, value, expected form", () => {
    const env = {
      MINT_PORT: "http",
      MINT_ALLOWED_ORIGINS: "*",
      NATS_WS_URLS: "http://x",
      MINT_KEYS_DIR: " ",
    };
    expect(mistakes(() => readMintConfig(env))).toEqual([
      "MINT_AUTH: is not set, wanted a comma-separated list of oidc, api-key, dev (dev accepts every caller without proof, so there is no default)",
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
      ["MINT_ALLOWED_HEADERS", ["*", "a b", "x-a,*", "x-a: b", "ä", ","]],
      ["NATS_WS_URLS", ["localhost:9222", "nats://localhost", "ws://"]],
      ["NATS_TCP_URLS", ["ws://localhost", "localhost:4222", "nats://user:pass@localhost"]],
    ];
    for (const [name, values] of wrong) {
      for (const value of values) {
        const lines = mistakes(() => readMintConfig({ ...OK, [name]: value }));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toStartWith(`${name}: got `);
      }
    }
  });

  test("for oidc needs a policy, and accepts an issuer only with an audience", () => {
    const oidc = { ...OK, MINT_AUTH: "oidc, api-key", MINT_POLICY_FILE: "/p", MINT_API_KEYS_FILE: "/k" };
    const issuer = { OIDC_ISSUER: "https://login.example.com", OIDC_AUDIENCE: "nats, mint" };
    expect(readMintConfig(oidc).auth).toEqual({
      oidc: { policyFile: "/p", issuer: undefined, allowHttp: false, caFile: undefined },
      "api-key": { keysFile: "/k" },
    });
    expect(readMintConfig({ ...oidc, ...issuer }).auth.oidc?.issuer).toEqual({
      issuer: "https://login.example.com",
      audience: ["nats", "mint"],
    });
    const http = { OIDC_ISSUER: "http://keycloak:8080/realms/a", OIDC_ALLOW_HTTP: "true" };
    expect(readMintConfig({ ...oidc, ...issuer, ...http, OIDC_CA_FILE: "/ca.pem" }).auth.oidc).toMatchObject({
      issuer: { issuer: http.OIDC_ISSUER },
      allowHttp: true,
      caFile: "/ca.pem",
    });
    expect(mistakes(() => readMintConfig({ ...oidc, ...issuer, OIDC_ISSUER: http.OIDC_ISSUER }))).toEqual([
      expect.stringContaining("OIDC_ALLOW_HTTP=true accepts plain http, for prototyping only"),
    ]);
    for (const [name, env] of [
      ["OIDC_AUDIENCE", { ...oidc, ...issuer, OIDC_AUDIENCE: "" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "http://login.example.com" }],
      ["OIDC_ISSUER", { ...oidc, ...issuer, OIDC_ISSUER: "https://login.example.com?tenant=1" }],
      ["OIDC_ALLOW_HTTP", { ...oidc, ...issuer, OIDC_ALLOW_HTTP: "yes" }],
      ["OIDC_ALLOW_HTTP", { ...oidc, ...issuer, OIDC_ALLOW_HTTP: "true", NODE_ENV: "production" }],
      ["MINT_POLICY_FILE", { ...oidc, MINT_POLICY_FILE: "" }],
      ["MINT_API_KEYS_FILE", { ...oidc, MINT_API_KEYS_FILE: "" }],
    ] as const) {
      const lines = mistakes(() => readMintConfig(env));
      expect([name, lines]).toEqual([name, [expect.stringMatching(new RegExp(`^${name}: `))]]);
    }
  });

  test("has the settings of a method only if the method is in use", () => {
    const env = {
      ...OK,
      MINT_POLICY_FILE: "/p",
      MINT_API_KEYS_FILE: "/k",
      OIDC_ISSUER: "https://login.example.com",
      OIDC_AUDIENCE: "nats",
    };
    for (const methods of [...AUTH_METHODS.map((method) => [method]), AUTH_METHODS]) {
      const { auth } = readMintConfig({ ...env, MINT_AUTH: methods.join(" , ") });
      expect(Object.keys(auth).sort()).toEqual([...methods].sort());
    }
    expect(Object.keys(readMintConfig({ ...env, MINT_AUTH: "oidc,oidc" }).auth)).toEqual(["oidc"]);
  });

  test("ignores the variables of oidc and api-key when they are not in use", () => {
    const unused = { OIDC_ISSUER: "http://login.example.com", OIDC_AUDIENCE: ",", MINT_POLICY_FILE: "" };
    expect(mistakes(() => readMintConfig({ ...OK, ...unused }))).toEqual([]);
  });

  test("reports the mistakes of a method together with all others", () => {
    const env = {
      ...OK,
      MINT_AUTH: "oidc,api-key,dev",
      NODE_ENV: "production",
      MINT_PORT: "0",
      MINT_DEV_HOSTS: "*",
      OIDC_ISSUER: "http://login.example.com",
    };
    expect(mistakes(() => readMintConfig(env)).map((line) => line.split(":")[0] ?? "")).toEqual([
      "MINT_AUTH",
      "MINT_PORT",
      "MINT_POLICY_FILE",
      "OIDC_ISSUER",
      "OIDC_AUDIENCE",
      "MINT_API_KEYS_FILE",
      "MINT_DEV_HOSTS",
    ]);
  });

  test("refuses dev in production", () => {
    expect(mistakes(() => readMintConfig({ ...OK, NODE_ENV: "production" }))).toEqual([
      'MINT_AUTH: got "dev", wanted anything but dev where NODE_ENV is production: dev accepts every caller without proof',
    ]);
  });
});
