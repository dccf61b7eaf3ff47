import type { Context } from "hono";
import type { Client } from "./client-address.ts";

/** No longer than any that a proxy makes, and nothing that a log could take for something else. */
const REQUEST_ID = /^[\w=-]{1,64}$/;

/**
 * A request's name, for logs and the caller. One that comes with the request counts only from a trusted proxy: from
 * anybody else it would be somebody else's text in the log, or somebody else's request. An application that this one is
 * mounted in may have named it already.
 */
export function requestIdOf(c: Context, { viaTrustedProxy }: Client): string {
  const named = c.get("requestId") as string | undefined;
  if (named) return named;
  const given = viaTrustedProxy ? c.req.header("X-Request-Id") : undefined;
  return given !== undefined && REQUEST_ID.test(given) ? given : crypto.randomUUID();
}
