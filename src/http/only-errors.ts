import type { MiddlewareHandler } from "hono";

/**
 * Hono hands only Errors to its error handler, and what else is thrown, which an application's function may do, goes
 * past all middleware. Goes right inside of what must see an answer to everything.
 */
export const onlyErrors: MiddlewareHandler = async (_, next) => {
  try {
    await next();
  } catch (error) {
    throw error instanceof Error
      ? error
      : new Error("something other than an Error was thrown", { cause: error });
  }
};
