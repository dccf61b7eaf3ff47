import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readLocalConfig } from "./local.ts";
import { mistakes } from "./mistakes.fixture.ts";

describe("the configuration of the launcher", () => {
  test("needs no variable", () => {
    const { projectDir, ...config } = readLocalConfig({});
    expect(config).toEqual({
      auth: [],
      dataDir: join(projectDir, ".data"),
      bind: "127.0.0.1",
      monitoringBind: "127.0.0.1",
      ports: { nats: 4222, webSocket: 9222, monitoring: 8222, mint: 8080 },
      host: "127.0.0.1",
      mintUrl: "http://127.0.0.1:8080",
      environment: {},
    });
  });

  test("has an address for monitoring and one for the other ports", () => {
    expect(readLocalConfig({ NATS_BIND: "0.0.0.0" }).monitoringBind).toBe("127.0.0.1");
    expect(readLocalConfig({ NATS_HTTP_BIND: "::" })).toMatchObject({
      monitoringBind: "::",
      bind: "127.0.0.1",
    });
  });

  test("passes on the environment as it is", () => {
    const env = { A: "", B: " b ", MINT_PORT: "8081" };
    expect(readLocalConfig({ ...env, C: undefined }).environment).toEqual(env);
  });

  test("leaves it to the mint to report a wrong MINT_AUTH", () => {
    expect(readLocalConfig({ MINT_AUTH: "oidc, dev" }).auth).toEqual(["oidc", "dev"]);
    expect(readLocalConfig({ MINT_AUTH: "oidc, none" }).auth).toEqual([]);
  });

  test("needs four different ports, and reports that together with other mistakes", () => {
    const env = { NATS_HTTP_PORT: "4222", NATS_WS_PORT: "http", NATS_BIND: "localhost" };
    expect(mistakes(() => readLocalConfig(env))).toEqual([
      'NATS_WS_PORT: got "http", wanted a port, 1 to 65535',
      'NATS_HTTP_PORT: got "4222", wanted another port than NATS_PORT, which is 4222 too',
      'NATS_BIND: got "localhost", wanted an IP address of this machine',
    ]);
  });

  test.each<[Record<string, string>, string[]]>([
    [
      { NATS_WS_PORT: "4222" },
      ['NATS_WS_PORT: got "4222", wanted another port than NATS_PORT, which is 4222 too'],
    ],
    [{ NATS_PORT: "8080" }, ["MINT_PORT: is not set, wanted another port than NATS_PORT, which is 8080 too"]],
    [
      { NATS_WS_PORT: "5000", NATS_HTTP_PORT: "5000", MINT_PORT: "5000" },
      [
        'NATS_HTTP_PORT: got "5000", wanted another port than NATS_WS_PORT, which is 5000 too',
        'MINT_PORT: got "5000", wanted another port than NATS_HTTP_PORT, which is 5000 too',
      ],
    ],
    [
      { NATS_WS_PORT: "http", NATS_HTTP_PORT: "http" },
      [
        'NATS_WS_PORT: got "http", wanted a port, 1 to 65535',
        'NATS_HTTP_PORT: got "http", wanted a port, 1 to 65535',
      ],
    ],
  ])("names the ports that are the same: %p", (env, expected) => {
    expect(mistakes(() => readLocalConfig(env))).toEqual(expected);
  });
});
