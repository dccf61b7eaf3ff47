import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, type ListenOptions } from "node:net";
import { freePorts, hasIPv6 } from "../../tests/ports.ts";
import { findPortProblem } from "./port.ts";

const [port = 0] = await freePorts(1);

/** What is found while another program listens. */
async function found(address: string, squatter?: ListenOptions) {
  if (!squatter) return findPortProblem(address, port);
  const server = createServer().listen({ port, ...squatter });
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
  test("that no program has can be had", async () => {
    for (const address of ["127.0.0.1", "0.0.0.0", "127.0.0.2", "localhost"])
      expect([address, await found(address)]).toEqual([address, undefined]);
  });

  test("is taken by a program on the same address, or on all of them", async () => {
    for (const host of ["127.0.0.1", "0.0.0.0"])
      expect(await found("127.0.0.1", { host })).toEqual(taken("127.0.0.1"));
  });

  test("of another address than those of localhost is not taken by a program on those", async () => {
    expect(await found("127.0.0.2", { host: "127.0.0.1" })).toBeUndefined();
  });

  test("on an address that the machine lacks can't be had", async () => {
    expect(await found("192.0.2.1")).toEqual({ address: "192.0.2.1", code: "EADDRNOTAVAIL" });
  });
});

describe.skipIf(!hasIPv6)("a port, where localhost may be ::1,", () => {
  test.each([
    ["on ::1", { host: "::1" }],
    ["on all addresses of IPv6", { host: "::", ipv6Only: true }],
  ])("is taken by a program %s", async (_, squatter) => {
    for (const address of ["127.0.0.1", "0.0.0.0", "localhost"])
      expect([address, await found(address, squatter)]).toEqual([address, taken("::1")]);
    expect(await found("127.0.0.2", squatter)).toBeUndefined();
  });

  test("on ::1 is taken by a program on 127.0.0.1", async () => {
    expect(await found("::1", { host: "127.0.0.1" })).toEqual(taken("127.0.0.1"));
    expect(await found("::1", { host: "0.0.0.0" })).toEqual(taken("127.0.0.1"));
  });

  test("on all addresses can be had", async () => {
    expect(await found("::")).toBeUndefined();
  });
});
