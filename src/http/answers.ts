import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Answered } from "../core/decision.ts";

/** Reports each answer, once it stands. Goes before all else, so that what others refuse is counted too. */
export function answers(report: (answer: Answered) => void): MiddlewareHandler {
  return async (c, next) => {
    const began = performance.now();
    await next();
    const route = routePath(c, -1);
    report({
      // Middleware is there for every path: where nothing else matched, there is no such path.
      route: route.endsWith("*") ? "other" : route,
      method: c.req.method,
      status: c.res.status,
      duration: performance.now() - began,
    });
  };
}
