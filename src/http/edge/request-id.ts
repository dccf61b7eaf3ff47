import type { Context } from "hono";
import type { Client } from "./client-address.ts";

/** Long enough for the ids of proxies, and without characters that have a meaning in logs. */
const REQUEST_ID = /^[\w=-]{1,64}$/;

/**
 * A request's id, for logs and the response. `X-Request-Id` of the request is used only from a trusted proxy: a client
 * could write text into the log with it, or use another request's id. An application in which this one is mounted may
 * have set the id already.
 */
export function requestIdOf(c: Context, { viaTrustedProxy }: Client): string {
  const fromApplication = c.get("requestId") as string | undefined;
  if (fromApplication) return fromApplication;
  const fromProxy = viaTrustedProxy ? c.req.header("X-Request-Id") : undefined;
  return fromProxy !== undefined && REQUEST_ID.test(fromProxy) ? fromProxy : crypto.randomUUID();
}
