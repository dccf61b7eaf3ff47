import { expect, test } from "bun:test";
import { readClientConfig } from "./client.ts";
import { mistakes } from "./mistakes.fixture.ts";

test("the example client finds the mint by MINT_URL, or by its address and port", () => {
  expect(readClientConfig({})).toEqual({ mintUrl: "http://127.0.0.1:8080", useWebSocket: true });
  expect(readClientConfig({ MINT_PORT: "8081", USE_WEBSOCKET: "false" })).toEqual({
    mintUrl: "http://127.0.0.1:8081",
    useWebSocket: false,
  });
  expect(readClientConfig({ MINT_URL: "https://mint.example.com" }).mintUrl).toBe("https://mint.example.com");
});

test.each(["yes", "TRUE", "1", "toString"])("USE_WEBSOCKET is not %j", (value) => {
  expect(mistakes(() => readClientConfig({ USE_WEBSOCKET: value }))).toEqual([
    `USE_WEBSOCKET: got "${value}", wanted true or false`,
  ]);
});
