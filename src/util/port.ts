import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Whether a port can be had, asked before it is opened. */

/** What `localhost` may mean, depending on the machine and the program that looks it up. */
const LOCALHOSTS = ["127.0.0.1", "::1"] as const;

/** Addresses that clients on this machine call `localhost`. */
const REACHED_AS_LOCALHOST: readonly string[] = [...LOCALHOSTS, "localhost", "0.0.0.0", "::"];

export interface PortProblem {
  /** Where: the address that was asked for, or another one of `localhost`. */
  readonly address: string;
  /** The error's code, `EADDRINUSE` for a port of another program. */
  readonly code: string;
}

/**
 * Why a port can't be had on an address. An address that `localhost` may mean wants the port free on all of them:
 * otherwise a client that is told `localhost` may send its credential to another program, of another user.
 */
export async function findPortProblem(address: string, port: number): Promise<PortProblem | undefined> {
  const code = await tryToListen(address, port);
  if (code) return { address, code };
  if (!REACHED_AS_LOCALHOST.includes(address)) return undefined;
  for (const other of LOCALHOSTS) {
    // Any other code means that this machine has no such address.
    const taken = (await tryToListen(other, port)) === "EADDRINUSE" || (await isAnswered(other, port));
    if (taken) return { address: other, code: "EADDRINUSE" };
  }
  return undefined;
}

/** The code of the error, if it fails. */
async function tryToListen(host: string, port: number): Promise<string | undefined> {
  const server = createServer().listen({ host, port, exclusive: true });
  try {
    await once(server, "listening");
    await once(server.close(), "close");
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  }
}

/** Outside Linux one program may listen on an address while another one listens on all of them. */
async function isAnswered(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 1000 });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true));
  socket.once("timeout", () => resolve(false));
  socket.once("error", () => resolve(false));
  const answered = await promise;
  socket.destroy();
  return answered;
}
