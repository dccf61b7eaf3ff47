import { isLoopback } from "../util/address.ts";

/**
 * The origins of pages in development. While `dev` gives every caller on this machine a credential anyway, pages of the
 * development servers on this machine need no setting.
 */

/** The ports that development servers take by default; Vite takes the next one for each further page. */
const PORTS = [
  1234, 3000, 3001, 4173, 4200, 4321, 5000, 5173, 5174, 5175, 5176, 5177, 5178, 5179, 5180, 8000, 8080, 8081,
];
const HOSTS = ["localhost", "127.0.0.1"];

const ORIGINS = HOSTS.flatMap((host) => PORTS.map((port) => `http://${host}:${port}`));

/**
 * The allowed origins, with those of development servers if `dev` is used on this machine only.
 * @param bind the address on which the ports are open
 */
export function withDevOrigins(
  origins: readonly string[],
  { auth, bind }: { readonly auth: readonly string[]; readonly bind: string },
): readonly string[] {
  if (!auth.includes("dev") || !isLoopback(bind)) return origins;
  return [...new Set([...origins, ...ORIGINS])];
}
