import { isLoopback } from "../util/address.ts";
import { servedOrigins } from "./origins.ts";

/**
 * The origins that `dev` adds, by the rules of `allowed_origins` in `fs/nats-init/settings.jq`: the demo page's, and, while
 * `dev` gives every caller on this machine a credential anyway, those of the development servers on this machine.
 */

/** The ports that development servers take by default; Vite takes the next one for each further page. */
const PORTS = [
  1234, 3000, 3001, 4173, 4200, 4321, 5000, 5173, 5174, 5175, 5176, 5177, 5178, 5179, 5180, 8000, 8080, 8081,
];
const HOSTS = ["localhost", "127.0.0.1"];

const ORIGINS = HOSTS.flatMap((host) => PORTS.map((port) => `http://${host}:${port}`));

export interface DevOptions {
  readonly auth: readonly string[];
  /** The address on which the ports are open: development servers are allowed if it is this machine's only. */
  readonly bind: string;
  /** The port under which browsers reach the demo page, if there is one. */
  readonly port?: number | undefined;
  /** Host names under which the demo page is served, besides this machine's own. */
  readonly hosts?: readonly string[];
}

/** The allowed origins, with those that `dev` adds. */
export function withDevOrigins(
  origins: readonly string[],
  { auth, bind, port, hosts = [] }: DevOptions,
): readonly string[] {
  if (!auth.includes("dev")) return origins;
  const served = port === undefined ? [] : servedOrigins(port, hosts);
  return [...new Set([...origins, ...served, ...(isLoopback(bind) ? ORIGINS : [])])];
}
