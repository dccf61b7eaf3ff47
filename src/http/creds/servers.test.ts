import { expect, test } from "bun:test";
import { serversFor } from "./servers.ts";

const servers = { websocket: ["ws://a", "ws://b"], tcp: ["nats://a"] };

test("a user gets the servers it can connect to, and no others", () => {
  expect(serversFor(["WEBSOCKET"], servers)).toEqual(["ws://a", "ws://b"]);
  expect(serversFor(["STANDARD"], servers)).toEqual(["nats://a"]);
  expect(serversFor(["MQTT"], servers)).toEqual([]);
});

test("a user that may connect either way gets TCP first", () => {
  expect(serversFor([], servers)).toEqual(["nats://a", "ws://a", "ws://b"]);
  expect(serversFor(["WEBSOCKET", "STANDARD"], servers)).toEqual(["nats://a", "ws://a", "ws://b"]);
});
