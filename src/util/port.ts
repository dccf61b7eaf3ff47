import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Whether a port can be opened, checked beforehand. */

/** The addresses that `localhost` may resolve to, depending on the machine and the program. */
const LOCALHOSTS = ["127.0.0.1", "::1"] as const;

/** Addresses to listen on that clients on this machine may reach as `localhost`. */
const REACHED_AS_LOCALHOST: readonly string[] = [...LOCALHOSTS, "localhost", "0.0.0.0", "::"];

export interface PortProblem {
  /** The given address, or another address of `localhost`. */
  readonly address: string;
  /** The code of the system's error: `EADDRINUSE` for a port that another program has opened. */
  readonly code: string;
}

/**
 * Why a port can't be opened on an address; undefined if it can. For an address that clients may reach as `localhost` the
 * port must be free on all addresses of `localhost`: otherwise a client that connects to `localhost` may send its
 * credential to another user's program.
 */
export async function findPortProblem(address: string, port: number): Promise<PortProblem | undefined> {
  const code = await tryToListen(address, port);
  if (code) return { address, code };
  if (!REACHED_AS_LOCALHOST.includes(address)) return undefined;
  for (const other of LOCALHOSTS) {
    // Any other code means that this machine has no such address.
    const taken =
      (await tryToListen(other, port)) === "EADDRINUSE" || (await acceptsConnections(other, port));
    if (taken) return { address: other, code: "EADDRINUSE" };
  }
  return undefined;
}

/** The code of the error, if listening fails. */
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

/** On systems other than Linux one program can listen on an address while another one listens on all addresses. */
async function acceptsConnections(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 1000 });
  const accepted = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("timeout", () => resolve(false));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return accepted;
}
