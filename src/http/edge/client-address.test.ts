import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { ConfigError } from "../../core/errors.ts";
import { isAddressRange } from "../../util/address.ts";
import { clientAddress } from "./client-address.ts";

/** The client address that is determined for a request. */
async function addressOf(
  peer: string | undefined,
  headers: Record<string, string> | [string, string][] = {},
  trustedProxies: readonly string[] = ["10.0.0.0/8", "fd00::/8"],
): Promise<string | undefined> {
  const app = new Hono();
  const clientOf = clientAddress(trustedProxies);
  app.get("/", (c) => c.json({ address: clientOf(c.req.raw, peer).address }));
  const response = await app.request("/", { headers });
  return ((await response.json()) as { address?: string }).address;
}

const forwarded = (peer: string, header: string) => addressOf(peer, { "X-Forwarded-For": header });

describe("the client's address", () => {
  test("is the other end of the connection", async () => {
    expect(await addressOf("192.0.2.1")).toBe("192.0.2.1");
    expect(await addressOf("2001:DB8:0:0::1")).toBe("2001:db8::1");
    expect(await addressOf("fe80::1%eth0")).toBe("fe80::1");
    expect(await addressOf(undefined)).toBeUndefined();
    expect(await addressOf("/run/mint.sock")).toBeUndefined();
  });

  test("of IPv4 is the same on a socket of IPv6", async () => {
    for (const peer of [
      "::ffff:192.0.2.1",
      "::FFFF:192.0.2.1",
      "::ffff:c000:201",
      "0:0:0:0:0:ffff:c000:201",
    ]) {
      expect(await addressOf(peer)).toBe("192.0.2.1");
    }
    expect(await forwarded("::ffff:10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
    expect(await forwarded("10.0.0.1", "::ffff:192.0.2.1")).toBe("192.0.2.1");
    const mapped = ["::ffff:10.0.0.0/104"];
    expect(await addressOf("10.1.2.3", { "X-Forwarded-For": "192.0.2.1" }, mapped)).toBe("192.0.2.1");
  });

  test("is taken from a trusted proxy's header", async () => {
    expect(await forwarded("10.0.0.1", "192.0.2.1")).toBe("192.0.2.1");
    expect(await forwarded("fd00::1", "2001:db8::1")).toBe("2001:db8::1");
    expect(await addressOf("10.0.0.1", { "X-Forwarded-For": "192.0.2.1" }, ["10.0.0.1"])).toBe("192.0.2.1");
    expect(await addressOf("10.0.0.2", { "X-Forwarded-For": "192.0.2.1" }, ["10.0.0.1"])).toBe("10.0.0.2");
  });

  test("is not taken from the header of a request that comes from elsewhere", async () => {
    expect(await forwarded("203.0.113.5", "192.0.2.1")).toBe("203.0.113.5");
    expect(await addressOf("10.0.0.1", { "X-Forwarded-For": "192.0.2.1" }, [])).toBe("10.0.0.1");
    // The proxy has added the address of its client.
    expect(await forwarded("10.0.0.1", "192.0.2.1, 203.0.113.5")).toBe("203.0.113.5");
    expect(await forwarded("10.0.0.1", "10.0.0.9, 192.0.2.1, 203.0.113.5")).toBe("203.0.113.5");
  });

  test("is found behind several trusted proxies", async () => {
    expect(await forwarded("10.0.0.1", "192.0.2.1, 10.0.0.3,fd00::2 ,\t10.0.0.2")).toBe("192.0.2.1");
    expect(await forwarded("10.0.0.1", "10.0.0.3, 10.0.0.2")).toBe("10.0.0.3");
    const lines: [string, string][] = [
      ["X-Forwarded-For", "198.51.100.1, 192.0.2.1"],
      ["X-Forwarded-For", "10.0.0.2"],
    ];
    expect(await addressOf("10.0.0.1", lines)).toBe("192.0.2.1");
  });

  test("may have a port or brackets", async () => {
    expect(await forwarded("10.0.0.1", "192.0.2.1:4711")).toBe("192.0.2.1");
    expect(await forwarded("10.0.0.1", "[2001:db8::1]:4711")).toBe("2001:db8::1");
    expect(await forwarded("10.0.0.1", "[2001:db8::1]")).toBe("2001:db8::1");
  });

  test("is the last valid one before another text", async () => {
    const garbage = [
      "unknown",
      "",
      " ",
      ",",
      "_hidden",
      "1",
      "0x7f.1",
      "010.0.0.1",
      "256.1.1.1",
      "192.0.2.1:port",
      "[192.0.2.1",
      "192.0.2.1%20",
      "<script>",
      "192.0.2.1;",
    ];
    for (const entry of garbage) {
      expect(await forwarded("10.0.0.1", entry)).toBe("10.0.0.1");
      expect(await forwarded("10.0.0.1", `192.0.2.1, ${entry}, 10.0.0.2`)).toBe("10.0.0.2");
    }
    expect(await forwarded("10.0.0.1", ",".repeat(10_000))).toBe("10.0.0.1");
  });

  test("is not taken from other headers", async () => {
    const headers = { Forwarded: "for=192.0.2.1", "X-Real-IP": "192.0.2.1", "True-Client-IP": "192.0.2.1" };
    expect(await addressOf("10.0.0.1", headers)).toBe("10.0.0.1");
  });
});

describe("a trusted proxy", () => {
  test("is an address or a range", () => {
    for (const text of [
      "10.0.0.1",
      "10.0.0.0/8",
      "10.0.0.0/1",
      "10.0.0.1/32",
      "::1",
      "fd00::/8",
      "::1/128",
    ]) {
      expect([text, isAddressRange(text)]).toEqual([text, true]);
    }
    const wrong = [
      "",
      "proxy",
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/08",
      "10.0.0.0/8/8",
      "10.0.0/8",
      "fd00::/129",
      "fe80::1%eth0",
      "[::1]",
      "10.0.0.0/-1",
      " 10.0.0.1",
      "10.0.0.1:80",
    ];
    for (const text of wrong) {
      expect([text, isAddressRange(text)]).toEqual([text, false]);
      expect(() => clientAddress([text])).toThrow(ConfigError);
    }
  });

  test("can't be a range of all addresses", () => {
    for (const text of [
      "0.0.0.0/0",
      "::/0",
      "::ffff:0.0.0.0/96",
      "::FFFF:0:0/96",
      "0:0:0:0:0:ffff:10.0.0.1/96",
    ]) {
      expect([text, isAddressRange(text)]).toEqual([text, false]);
      expect(() => clientAddress([text])).toThrow(ConfigError);
    }
    expect(isAddressRange("::ffff:0.0.0.0/97")).toBe(true);
  });
});
