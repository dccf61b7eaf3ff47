import { expect, test } from "bun:test";
import { join } from "node:path";
import { readClientConfig } from "./client.ts";
import { projectDir } from "./env.ts";
import { mistakes } from "./mistakes.fixture.ts";

test("the example client finds the mint by MINT_URL, or by its address and port", () => {
  const dataDir = join(projectDir, ".data");
  expect(readClientConfig({}, {})).toEqual({
    mintUrl: "http://127.0.0.1:8080",
    namesMint: false,
    dataDir,
    useWebSocket: true,
  });
  expect(readClientConfig({ MINT_PORT: "8081", USE_WEBSOCKET: "false" }, {})).toEqual({
    mintUrl: "http://127.0.0.1:8081",
    namesMint: false,
    dataDir,
    useWebSocket: false,
  });
  expect(readClientConfig({ MINT_URL: "https://mint.example.com" }).mintUrl).toBe("https://mint.example.com");
});

test("the mint that the environment names is used, also while another one runs on this machine", () => {
  const env = { MINT_PORT: "8081", NATS_BIND: "127.0.0.2" };
  for (const name of ["MINT_PORT", "NATS_BIND"] as const) {
    expect(readClientConfig(env, { [name]: env[name] }).namesMint).toBe(true);
  }
  expect(readClientConfig({ ...env, MINT_URL: "https://mint.example.com" }, {}).namesMint).toBe(true);
  expect(readClientConfig(env, { MINT_PORT: "" }).namesMint).toBe(false);
});

test.each(["yes", "TRUE", "1", "toString"])("USE_WEBSOCKET is not %j", (value) => {
  expect(mistakes(() => readClientConfig({ USE_WEBSOCKET: value }))).toEqual([
    `USE_WEBSOCKET: got "${value}", wanted true or false`,
  ]);
});
