import type { Context } from "hono";
import { cors as honoCors } from "hono/cors";
import { quote } from "../../util/quote.ts";
import { OriginNotAllowedError } from "../errors.ts";

export interface CorsOptions {
  /** Compared exactly. */
  readonly allowedOrigins: readonly string[];
  /** Whether pages may send cookies. */
  readonly allowCredentials: boolean;
  /** Request headers that pages may send, besides those of this service and those of tracing. */
  readonly allowedHeaders: readonly string[];
  /** The methods of all routes. */
  readonly methods: readonly string[];
  /** Receives the origin of each preflight that is refused: any text that a client sent. */
  readonly onRefused?: ((origin: string) => void) | undefined;
}

/** CORS headers and responses for pages of other origins. */
export interface Cors {
  /** Adds the headers that let a page of an allowed origin read the response. */
  readonly addTo: (headers: Headers, origin: string | null) => void;
  /**
   * The response to a preflight; undefined for another request.
   * @throws {OriginNotAllowedError} for a preflight from another origin; the browser's network log shows the message
   */
  readonly preflight: (c: Context) => Promise<Response> | undefined;
}

/**
 * The request headers that a page may send: those that are read, and those that tools for tracing add to every `fetch`
 * of a page (W3C Trace Context and Baggage, Sentry). Without permission for them, the browser would block each request.
 */
const SENDABLE = ["Content-Type", "Authorization", "traceparent", "tracestate", "baggage", "sentry-trace"];

/** The response headers that a page may read. */
const READABLE = ["Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-Id"];

/**
 * Lets pages of exactly these origins read responses, errors included. Responses to other origins have no CORS headers.
 * `Access-Control-Request-Private-Network` in a preflight is ignored: browsers ask for their user's permission instead.
 */
export function cors({
  allowedOrigins,
  allowCredentials,
  allowedHeaders,
  methods,
  onRefused,
}: CorsOptions): Cors {
  const allowed = new Set(allowedOrigins);
  const readable = READABLE.join(",");
  const respondToPreflight = honoCors({
    origin: [...allowed],
    // GET and HEAD need no preflight.
    allowMethods: [...new Set(methods)].filter((method) => method !== "GET" && method !== "HEAD"),
    allowHeaders: [...SENDABLE, ...allowedHeaders],
    maxAge: 600,
  });
  return {
    addTo(headers, origin) {
      if (origin === null || !allowed.has(origin)) return;
      headers.set("Access-Control-Allow-Origin", origin);
      headers.set("Access-Control-Expose-Headers", readable);
      if (allowCredentials) headers.set("Access-Control-Allow-Credentials", "true");
    },
    preflight(c) {
      const origin = c.req.header("Origin");
      if (c.req.method !== "OPTIONS" || !origin || !c.req.header("Access-Control-Request-Method"))
        return undefined;
      if (!allowed.has(origin)) {
        onRefused?.(origin);
        throw new OriginNotAllowedError(
          `pages of ${quote(origin)} may not send requests: it is not an allowed origin`,
        );
      }
      return respondToPreflight(c, async () => {}) as Promise<Response>;
    },
  };
}
