import type { Logger } from "pino";
import { isOrigin } from "../config/origins.ts";
import { quote } from "../util/quote.ts";

/** Refused origins that are logged. A page can't send many, but other programs can. */
const MAX_ORIGINS = 20;

/**
 * Logs each refused origin once, with the line for `.env.local` or `.env` that allows it.
 * @param configured the origins that are set now
 */
export function originLogger(
  log: Pick<Logger, "warn">,
  configured: readonly string[],
): (origin: string) => void {
  const logged = new Set<string>();
  return (origin) => {
    if (logged.has(origin) || logged.size === MAX_ORIGINS) return;
    logged.add(origin);
    log.warn(`a page of ${show(origin)} was refused: ${advice(origin, configured)}`);
  };
}

/** A header that no browser sends may contain anything, also a password. */
const show = (origin: string): string =>
  /^(null|[a-z][a-z0-9+.-]*:\/\/[^\s@/:]*(:\d+)?)$/i.test(origin)
    ? quote(origin)
    : "no origin that browsers send";

function advice(origin: string, configured: readonly string[]): string {
  // Others may also have the quotes and variables of an .env file in them.
  if (!isOrigin(origin)) return "only pages that are served over http or https can be allowed";
  const line = `NATS_WS_ORIGINS='${JSON.stringify([...configured, origin])}'`;
  return `its origin is not allowed. To allow it, write in .env.local or .env: ${line} (the same in MINT_ALLOWED_ORIGINS, if that is set)`;
}
