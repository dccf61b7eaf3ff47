import type { Client } from "./client-address.ts";
import type { Arrival } from "./envelope.ts";

/** Long enough for the ids of proxies, and without characters that have a meaning in logs. */
const REQUEST_ID = /^[\w=-]{1,64}$/;

/**
 * A request's id, for logs and the response. `X-Request-Id` of the request is used only from a trusted proxy: a client
 * could write text into the log with it, or use another request's id. An application in which this one is mounted may
 * have set the id already.
 */
export function requestIdOf(
  { request, requestId: fromApplication }: Pick<Arrival, "request" | "requestId">,
  { viaTrustedProxy }: Client,
): string {
  if (fromApplication) return fromApplication;
  const fromProxy = viaTrustedProxy ? request.headers.get("X-Request-Id") : null;
  return fromProxy !== null && REQUEST_ID.test(fromProxy) ? fromProxy : crypto.randomUUID();
}
