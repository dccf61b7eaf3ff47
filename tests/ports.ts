import { networkInterfaces } from "node:os";
import { checkPort } from "../src/service/listen.ts";

/** Ports for what a test starts later, or starts again. */

/**
 * Below those that a system takes for outgoing connections (32768 and up on Linux, 49152 and up elsewhere): one of
 * these can't be gone by the time that it is wanted.
 */
const FIRST = 12_000;
const LAST = 32_767;

const given = new Set<number>();

/** Whether this machine has the other `localhost`. */
export const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

/** Ports that nobody listens on, none of them given before by this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

const isFree = (port: number) =>
  checkPort("127.0.0.1", port).then(
    () => true,
    () => false,
  );
