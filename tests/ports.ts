import { networkInterfaces } from "node:os";
import { findPortProblem } from "../src/util/port.ts";

/** Ports for programs that a test starts later, or starts again. */

/**
 * Below the ports that a system uses for outgoing connections (32768 and up on Linux, 49152 and up elsewhere), so that
 * a free port is not taken by one before the test opens it.
 */
const FIRST = 12_000;
const LAST = 32_767;

const returned = new Set<number>();

/** Whether this machine has the IPv6 address of `localhost`. */
export const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

/** Ports that no program listens on. Returns none of them twice in this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (returned.has(port) || (await findPortProblem("127.0.0.1", port))) continue;
    returned.add(port);
    ports.push(port);
  }
  return ports;
}
