import type { HandledRequest } from "../../core/decision.ts";
import type { RequestContext } from "../../core/issue.ts";
import type { Client } from "./client-address.ts";
import type { Cors } from "./cors.ts";
import { requestIdOf } from "./request-id.ts";

/** A request, and what its connection or the surrounding application knows about it. */
export interface Arrival {
  readonly request: Request;
  /** The address at the other end of the connection, a client's or a proxy's. */
  readonly peer: string | undefined;
  /** The pattern of the path, for reports. */
  readonly route: string;
  /** The id that the surrounding application has given to the request. */
  readonly requestId?: string | undefined;
}

export interface EnvelopeOptions {
  readonly clientOf: (request: Request, peer: string | undefined) => Client;
  readonly cors: Cors;
  readonly respondToError: (thrown: unknown) => Response;
  /** When it is aborted, each response closes its connection. */
  readonly stopping?: AbortSignal | undefined;
  /** Receives each response after it was made. */
  readonly onResponse?: ((response: HandledRequest) => void) | undefined;
}

/**
 * Responds to a request with what all requests have in common: request id, client address, CORS, error responses,
 * reports. The handler's responses have all other headers.
 */
export type Envelope = (
  arrival: Arrival,
  handler: (context: RequestContext) => Response | Promise<Response>,
) => Promise<Response>;

/** Makes the envelope of an application's handlers. */
export function envelope(options: EnvelopeOptions): Envelope {
  const { clientOf, cors, respondToError, stopping, onResponse } = options;

  return async (arrival, handler) => {
    const began = performance.now();
    const { request, peer, route } = arrival;
    const { method, headers: received } = request;
    const client = clientOf(request, peer);
    const requestId = requestIdOf(arrival, client);
    let response: Response;
    try {
      response = await handler({ requestId, address: client.address, began });
    } catch (thrown) {
      response = respondToError(thrown);
    }
    const { headers, status } = response;
    headers.set("X-Request-Id", requestId);
    cors.addTo(headers, received.get("Origin"));
    if (stopping?.aborted) headers.set("Connection", "close");
    onResponse?.({ route, method, status, duration: performance.now() - began });
    return response;
  };
}
