import { networkInterfaces } from "node:os";
import { findPortProblem } from "../src/util/port.ts";

/** Ports for programs that a test starts later, or starts again. */

/**
 * Below the ports that a system uses for outgoing connections (32768 and up on Linux, 49152 and up on other systems), so
 * that no outgoing connection uses a free port before the test opens it.
 */
const FIRST = 12_000;
const LAST = 32_767;

/** Whether this machine has the IPv6 address of `localhost`. */
export const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === "::1"),
);

/** The returned ports stay bound for UDP until this process ends, so that no other test process gets them. */
const reserved: Bun.udp.Socket<"buffer">[] = [];

/** Ports that no program listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if ((await reserve(port)) && !(await findPortProblem("127.0.0.1", port))) ports.push(port);
  }
  return ports;
}

async function reserve(port: number): Promise<boolean> {
  try {
    const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port });
    socket.unref();
    reserved.push(socket);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
