import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type ListenOptions } from "node:net";
import { freePorts, hasIPv6 } from "../../tests/ports.ts";
import { findPortProblem } from "./port.ts";

const [port = 0] = await freePorts(1);

/** The problem that is found while another socket listens. */
async function findProblem(address: string, listener?: ListenOptions) {
  if (!listener) return findPortProblem(address, port);
  const server = createServer().listen({ port, ...listener });
  await once(server, "listening");
  try {
    return await findPortProblem(address, port);
  } finally {
    server.close();
    await once(server, "close");
  }
}

const taken = (address: string) => ({ address, code: "EADDRINUSE" });

describe("a port", () => {
  test("that no program has opened can be opened", async () => {
    for (const address of ["127.0.0.1", "0.0.0.0", "127.0.0.2", "localhost"])
      expect([address, await findProblem(address)]).toEqual([address, undefined]);
  });

  test("is in use when a program listens on the same address, or on all addresses", async () => {
    for (const host of ["127.0.0.1", "0.0.0.0"])
      expect(await findProblem("127.0.0.1", { host })).toEqual(taken("127.0.0.1"));
  });

  test("on an address that is not one of localhost is not affected by a program on those", async () => {
    expect(await findProblem("127.0.0.2", { host: "127.0.0.1" })).toBeUndefined();
  });

  test("on an address that the machine does not have can't be opened", async () => {
    expect(await findProblem("192.0.2.1")).toEqual({ address: "192.0.2.1", code: "EADDRNOTAVAIL" });
  });
});

describe.skipIf(!hasIPv6)("a port, where localhost may resolve to ::1,", () => {
  test.each([
    ["on ::1", { host: "::1" }],
    ["on all addresses of IPv6", { host: "::", ipv6Only: true }],
  ])("is in use when a program listens %s", async (_, listener) => {
    for (const address of ["127.0.0.1", "0.0.0.0", "localhost"])
      expect([address, await findProblem(address, listener)]).toEqual([address, taken("::1")]);
    expect(await findProblem("127.0.0.2", listener)).toBeUndefined();
  });

  test("on ::1 is in use when a program listens on 127.0.0.1", async () => {
    expect(await findProblem("::1", { host: "127.0.0.1" })).toEqual(taken("127.0.0.1"));
    expect(await findProblem("::1", { host: "0.0.0.0" })).toEqual(taken("127.0.0.1"));
  });

  test("on all addresses can be opened", async () => {
    expect(await findProblem("::")).toBeUndefined();
  });
});
