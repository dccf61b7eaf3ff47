import { getEventListeners, once } from "node:events";
import type { Context, Hono } from "hono";
import { ConfigError } from "../core/errors.ts";
import { pathOf } from "../http/edge/path.ts";
import { findPortProblem } from "../util/port.ts";
import { withTimeout } from "../util/timeout.ts";

/** The service's port: taken, served, and given back. */

/** Milliseconds to finish what has begun; a container is killed 10 s after it was asked to stop. */
const GRACE = 8000;
/** Seconds in which a client must say something; its connection is closed otherwise. */
const IDLE_TIMEOUT = 10;

/** What the application gets beside each request. */
interface Connection {
  readonly peerAddress: string;
}

/** The address at the other end of the connection, for `createApp`. */
export const peerAddress = (c: Context) => (c.env as Partial<Connection>).peerAddress;

/**
 * Whether the port can be had. Asked beforehand, because Bun calls every reason "in use".
 * @throws {ConfigError} that says why not
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

export interface StopOptions {
  /** Another event of the process that stops it like a signal. */
  readonly orOn?: "disconnect";
  /** What the second signal does; it ends the process there and then, unless this says otherwise. */
  readonly onSecond?: () => void;
}

/**
 * Aborted by the first SIGTERM or SIGINT, so that what has begun can be finished. While nobody listens for the abort the
 * process ends there and then: nothing has begun before something is served.
 */
export function stopSignal({ orOn, onSecond = () => process.exit(0) }: StopOptions = {}): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) onSecond();
    else if (isHeard(controller.signal)) controller.abort();
    else process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  if (orOn) process.on(orOn, stop);
  return controller.signal;
}

const isHeard = (signal: AbortSignal) => getEventListeners(signal, "abort").length > 0;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly app: Hono;
  /** Ends it: no more connections, idle ones are closed, and what has begun is finished, or cut off after 8 s. */
  readonly stopping: AbortSignal;
  /** Whether other processes of this service serve the same port. The system then chooses one for each connection. */
  readonly shared?: boolean;
}

export interface Listening {
  readonly port: number;
  /** When it has stopped. */
  readonly stopped: Promise<void>;
}

/**
 * Serves the application until it is told to stop. Each of its paths has one form: Bun hands `/./metrics` on as `/metrics`,
 * past a rule of a proxy about `/metrics`, but the table of routes is compared with the path as it was sent.
 */
export function listen({ host, port, app, stopping, shared = false }: ListenOptions): Listening {
  const paths = new Set(app.routes.map(({ path }) => path));

  /** @param path of the application, undefined for every other */
  const handler = (path?: string) => (request: Request, server: Bun.Server<undefined>) => {
    const address = server.requestIP(request)?.address;
    // Reset meanwhile: there is nobody to answer, and what has no address would escape every limit.
    if (address === undefined) return new Response(null, { status: 400 });
    const connection: Connection = { peerAddress: address };
    const asked = withUrl(request);
    const inUrl = pathOf(asked);
    const isOther = inUrl !== path && paths.has(inUrl);
    return app.fetch(isOther ? new Request(`http://localhost/${inUrl}`, asked) : asked, connection);
  };

  const server = Bun.serve({
    hostname: host,
    port,
    // Where it is true, a second service could take the same port without an error.
    reusePort: shared,
    idleTimeout: IDLE_TIMEOUT,
    // The app refuses long bodies itself, as a problem; Bun would do it without a word.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    routes: Object.fromEntries([...paths].map((path) => [path, handler(path)])),
    fetch: handler(),
  });
  return { port: server.port as number, stopped: stopped(server, stopping) };
}

/** HTTP/1.0, which health checks still speak, needs no Host: Bun's URL is then a bare path. */
function withUrl(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}

async function stopped(server: Bun.Server<undefined>, stopping: AbortSignal): Promise<void> {
  if (!stopping.aborted) await once(stopping, "abort");
  await withTimeout(server.stop(), GRACE, () => {});
  await server.stop(true);
}
