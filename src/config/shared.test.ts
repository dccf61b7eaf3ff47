import { expect, test } from "bun:test";
import { readClientConfig } from "./client.ts";
import { readLocalConfig } from "./local.ts";
import { readMintConfig } from "./mint.ts";
import { mistakes } from "./mistakes.fixture.ts";

const MINT = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys" };

test.each([
  ["", "127.0.0.1"],
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "127.0.0.1"],
  ["192.0.2.1", "192.0.2.1"],
  ["::", "[::1]"],
  ["0:0:0:0:0:0:0:0", "[::1]"],
  ["[::]", "[::1]"],
  ["::1", "[::1]"],
  ["2001:DB8::1", "[2001:db8::1]"],
])("servers that listen on %j have the host %s in URLs", (bind, host) => {
  const { servers } = readMintConfig({ ...MINT, NATS_BIND: bind, NATS_PORT: "4", NATS_WS_PORT: "9" });
  expect(servers).toEqual({ websocket: [`ws://${host}:9`], tcp: [`nats://${host}:4`] });
  expect(readLocalConfig({ NATS_BIND: bind })).toMatchObject({ host, mintUrl: `http://${host}:8080` });
  expect(readClientConfig({ NATS_BIND: bind }).mintUrl).toBe(`http://${host}:8080`);
});

test.each(["localhost", "fe80::1%eth0", "[127.0.0.1", "127.1"])("no server listens on %j", (bind) => {
  for (const read of [
    () => readMintConfig({ ...MINT, NATS_BIND: bind }),
    () => readLocalConfig({ NATS_BIND: bind }),
  ]) {
    expect(mistakes(read)).toEqual([`NATS_BIND: got "${bind}", wanted an IP address of this machine`]);
  }
});
