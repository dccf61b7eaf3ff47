import type { MiddlewareHandler } from "hono";

/** Answers may hold a seed or a JWT: nobody stores them, and nobody guesses another type for them. */
export const responseHeaders: MiddlewareHandler = async (c, next) => {
  try {
    await next();
  } catch (error) {
    // Hono hands only Errors to its error handler; an application's authenticator may throw anything.
    throw error instanceof Error
      ? error
      : new Error("something other than an Error was thrown", { cause: error });
  } finally {
    c.header("Cache-Control", "no-store");
    c.header("X-Content-Type-Options", "nosniff");
  }
};
