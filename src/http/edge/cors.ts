import type { Context } from "hono";
import { cors as honoCors } from "hono/cors";
import { quote } from "../../util/quote.ts";
import { OriginNotAllowedError } from "../errors.ts";

export interface CorsOptions {
  /** Compared exactly. */
  readonly allowedOrigins: readonly string[];
  /** Whether pages may send their cookies along. */
  readonly allowCredentials: boolean;
  /** The methods of all routes. */
  readonly methods: readonly string[];
}

/** What pages of other origins are told. */
export interface Cors {
  /** Adds to an answer what lets a page of an allowed origin read it. */
  readonly addTo: (headers: Headers, origin: string | undefined) => void;
  /**
   * Answers a preflight: undefined for what is none.
   * @throws {OriginNotAllowedError} for one from another origin, for whoever looks at the browser's network log
   */
  readonly preflight: (c: Context) => Promise<Response> | undefined;
}

/** What a page may read besides the body. */
const READABLE = ["Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-Id"];

/**
 * Lets pages of exactly these origins read answers, errors too; to all others it gives not a single header. What
 * browsers once asked in preflights to private networks (`Access-Control-Request-Private-Network`) is not answered: they
 * ask their user instead.
 */
export function cors({ allowedOrigins, allowCredentials, methods }: CorsOptions): Cors {
  const allowed = new Set(allowedOrigins);
  const readable = READABLE.join(",");
  const answerPreflight = honoCors({
    origin: [...allowed],
    // GET and HEAD need no permission.
    allowMethods: [...new Set(methods)].filter((method) => method !== "GET" && method !== "HEAD"),
    allowHeaders: ["Content-Type", "Authorization"],
    maxAge: 600,
  });
  return {
    addTo(headers, origin = "") {
      if (!allowed.has(origin)) return;
      headers.set("Access-Control-Allow-Origin", origin);
      headers.set("Access-Control-Expose-Headers", readable);
      if (allowCredentials) headers.set("Access-Control-Allow-Credentials", "true");
    },
    preflight(c) {
      const origin = c.req.header("Origin");
      if (c.req.method !== "OPTIONS" || !origin || !c.req.header("Access-Control-Request-Method"))
        return undefined;
      if (!allowed.has(origin)) {
        throw new OriginNotAllowedError(`pages of ${quote(origin)} may not ask: it is not an allowed origin`);
      }
      return answerPreflight(c, async () => {}) as Promise<Response>;
    },
  };
}
