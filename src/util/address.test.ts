import { describe, expect, test } from "bun:test";
import { isLoopback, network, parseAddressRange } from "./address.ts";

describe("a network", () => {
  test("is the whole of an IPv4 address, and the /64 of an IPv6 address", () => {
    expect(network("192.0.2.1")).not.toBe(network("192.0.2.2"));
    expect(network("2001:db8:0:1::1")).toBe(network("2001:db8:0:1:ffff:ffff:ffff:ffff"));
    expect(network("2001:db8:0:1::1")).not.toBe(network("2001:db8:0:2::1"));
    expect(network("::1")).not.toBe(network("0:0:0:1::1"));
  });

  test("of a text that is not an address is that text", () => {
    for (const text of ["", "a:b", "[::1]", "::1::", "x".repeat(1000)]) expect(network(text)).toBe(text);
  });
});

test("an IPv4 range that is written as an IPv6 range is the same range", () => {
  const [start, bits] = parseAddressRange("::ffff:10.0.0.0/104") ?? [];
  expect([start?.toString(), bits]).toEqual(["10.0.0.0", 8]);
  const [single, all] = parseAddressRange("::ffff:192.0.2.1") ?? [];
  expect([single?.toString(), all]).toEqual(["192.0.2.1", 32]);
});

test.each([
  ["127.0.0.1", true],
  ["127.8.9.10", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["128.0.0.1", false],
  ["192.168.1.127", false],
  ["::2", false],
  ["localhost", false],
  ["", false],
])("%j is an address that only this machine reaches: %j", (address, expected) => {
  expect(isLoopback(address)).toBe(expected);
});
