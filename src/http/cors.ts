import type { Context, MiddlewareHandler } from "hono";
import { cors as honoCors } from "hono/cors";
import { OriginNotAllowedError } from "../core/errors.ts";
import { quote } from "../core/quote.ts";

export interface CorsOptions {
  /** Compared exactly. */
  readonly allowedOrigins: readonly string[];
  /** Whether pages may send their cookies along. */
  readonly allowCredentials: boolean;
}

/** What a page may read besides the body. */
const READABLE = ["Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-Id"];

/**
 * Lets pages of exactly these origins read answers, errors too; to all others it gives not a single header. What
 * browsers once asked in preflights to private networks (`Access-Control-Request-Private-Network`) is not answered: they
 * ask their user instead.
 */
export function cors({ allowedOrigins, allowCredentials }: CorsOptions): MiddlewareHandler {
  const allowed = new Set(allowedOrigins);
  const answer = honoCors({
    origin: [...allowed],
    allowMethods: ["POST"],
    allowHeaders: ["Content-Type", "Authorization"],
    exposeHeaders: READABLE,
    maxAge: 600,
    ...(allowCredentials && { credentials: true }),
  });
  return async (c, next) => {
    const isPlainOptions = c.req.method === "OPTIONS" && !isPreflight(c);
    if (allowed.has(c.req.header("Origin") ?? "") && !isPlainOptions) return answer(c, next);
    await next();
    // A cache must not give this answer to a page of an allowed origin.
    c.header("Vary", "Origin", { append: true });
  };
}

/** For the preflights that are left: says why, to whoever looks at the browser's network log. */
export const refusePreflight: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header("Origin");
  if (isPreflight(c) && origin !== undefined) {
    throw new OriginNotAllowedError(`pages of ${quote(origin)} may not ask: it is not an allowed origin`);
  }
  await next();
};

const isPreflight = (c: Context) =>
  c.req.method === "OPTIONS" && c.req.header("Access-Control-Request-Method") !== undefined;
