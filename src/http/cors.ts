import type { MiddlewareHandler } from "hono";
import { cors as honoCors } from "hono/cors";

/** Lets pages of exactly these origins read answers; to all others it gives not a single header. */
export function cors(allowedOrigins: readonly string[]): MiddlewareHandler {
  const allowed = new Set(allowedOrigins);
  const answer = honoCors({
    origin: [...allowed],
    allowMethods: ["POST"],
    allowHeaders: ["Content-Type", "Authorization"],
    exposeHeaders: ["Retry-After"],
    maxAge: 600,
  });
  return async (c, next) => {
    const isPlainOptions = c.req.method === "OPTIONS" && !c.req.header("Access-Control-Request-Method");
    if (allowed.has(c.req.header("Origin") ?? "") && !isPlainOptions) return answer(c, next);
    await next();
    // A cache must not give this answer to a page of an allowed origin.
    c.header("Vary", "Origin", { append: true });
  };
}
