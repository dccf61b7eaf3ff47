import { expect, test } from "bun:test";
import { nearestName } from "./nearest.ts";

const known = ["MINT_PORT", "MINT_AUTH", "NATS_PORT", "NATS_WS_PORT"];

test.each([
  ["MINT_PORT", "MINT_PORT"],
  ["MINT_PROT", "MINT_PORT"],
  ["MINT_PORTT", "MINT_PORT"],
  ["MIN_PORT", "MINT_PORT"],
  ["mint_port", "MINT_PORT"],
  ["MINT-PORT", "MINT_PORT"],
  ["NATSWS_PORT", "NATS_WS_PORT"],
  ["MNIT_PROT", "MINT_PORT"],
])("%s is nearest to %s", (name, nearest) => {
  expect(nearestName(name, known, 2)).toBe(nearest);
});

test.each(["", "M", "MINT_URL", "HOSTNAME"])("%j is near to none", (name) => {
  expect(nearestName(name, known, 2)).toBeUndefined();
});
