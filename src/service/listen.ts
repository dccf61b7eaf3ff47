import type { Context } from "hono";
import type { MintConfig } from "../config/mint.ts";
import { ConfigError } from "../core/errors.ts";
import { CREDS_PATH, type HttpDoor } from "../http/app.ts";
import { pathOf } from "../http/edge/path.ts";
import { findPortProblem } from "../util/port.ts";
import { closeAfter } from "./shutdown.ts";

/** Checks, opens and serves the service's port. */

/** Seconds without data from the client after which its connection is closed. */
const IDLE_TIMEOUT = 10;

/** What the application receives beside each request. */
interface Connection {
  readonly peerAddress: string;
}

/** The address at the other end of the connection, for `createApp`. */
export const peerAddress = (c: Context) => (c.env as Partial<Connection>).peerAddress;

/**
 * Checks that the port can be opened. This comes before opening it, because Bun reports every cause as "in use".
 * @throws {ConfigError} with the cause, when it can't
 */
export async function checkPort(host: string, port: number): Promise<void> {
  const problem = await findPortProblem(host, port);
  if (!problem) return;
  const { address, code } = problem;
  throw new ConfigError(
    code === "EADDRINUSE"
      ? `port ${port} on ${address} is in use${address === host ? "" : ", which clients of localhost may reach"}; MINT_PORT chooses another`
      : `can't listen on ${host}, port ${port}: ${code}; see MINT_HOST and MINT_PORT`,
  );
}

/** For the log: the address, and where browsers reach it if that is another one. */
export function listensOn({ host, port, publishedUrl }: MintConfig): string {
  const url = `http://${host}:${port}`;
  const elsewhere = publishedUrl !== undefined && publishedUrl !== url;
  return `mint listens on ${url}${elsewhere ? `; open ${publishedUrl} in a browser` : ""}`;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly door: HttpDoor;
  /** When aborted, the port and idle connections are closed, and requests are finished, or cut off after 8 s. */
  readonly stopping: AbortSignal;
  /** Whether other processes of this service serve the same port. The kernel then chooses one for each connection. */
  readonly shared?: boolean;
}

export interface Listening {
  readonly port: number;
  /** Resolves when all connections are closed. */
  readonly stopped: Promise<void>;
}

/**
 * Serves the application until `stopping` is aborted. Each of its paths has one form. In a request's URL, Bun changes
 * `/./metrics` to `/metrics`, which would get past a proxy's rule for `/metrics`; but it compares its table of routes
 * with the path as it was sent.
 */
export function listen({ host, port, door, stopping, shared = false }: ListenOptions): Listening {
  const { app, creds } = door;
  const paths = new Set(app.routes.map(({ path }) => path));

  /** @param path a path of the application; undefined for every other path */
  const handler = (path?: string) => (request: Request, server: Bun.Server<undefined>) => {
    const address = server.requestIP(request)?.address;
    // The connection was reset meanwhile. A request without an address would escape every limit.
    if (address === undefined) return new Response(null, { status: 400 });
    // The usual request needs no URL, and not the application either.
    if (path === CREDS_PATH && request.method === "POST") return creds(request, address);
    const connection: Connection = { peerAddress: address };
    const received = withUrl(request);
    const pathInUrl = pathOf(received);
    // The path was sent in another form. With two slashes it is no path of the application.
    const isOtherForm = pathInUrl !== path && paths.has(pathInUrl);
    return app.fetch(
      isOtherForm ? new Request(`http://localhost/${pathInUrl}`, received) : received,
      connection,
    );
  };

  const server = Bun.serve({
    hostname: host,
    port,
    // With true, a second service could open the same port without an error.
    reusePort: shared,
    idleTimeout: IDLE_TIMEOUT,
    // The application refuses long bodies with a problem response; Bun's response would be empty.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    routes: Object.fromEntries([...paths].map((path) => [path, handler(path)])),
    fetch: handler(),
  });
  return { port: server.port as number, stopped: closeAfter(stopping, server) };
}

/** HTTP/1.0, which some health checks use, needs no Host. Bun's URL is then only a path. */
function withUrl(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}
