import { networkInterfaces } from "node:os";
import { checkPort } from "../src/listen.ts";

/** Ports for what a test starts later, or starts again. */

/**
 * Below those that a system takes for outgoing connections (32768 and up on Linux, 49152 and up elsewhere): one of
 * these can't be gone by the time that it is wanted.
 */
const FIRST = 12_000;
const LAST = 32_767;

/** Whether this machine has the other `localhost`. */
export const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

/** The ports that were given are taken for UDP until this process ends: no other one that runs tests gets them. */
const given: Bun.udp.Socket<"buffer">[] = [];

/** Ports that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if ((await reserve(port)) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

const isFree = (port: number) =>
  checkPort("127.0.0.1", port).then(
    () => true,
    () => false,
  );

async function reserve(port: number): Promise<boolean> {
  try {
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port });
    socket.unref();
    given.push(socket);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
