import { z } from "@hono/zod-openapi";
import { findMint, type Mint } from "../core/mint.ts";
import { jsonResponse, problemResponses } from "./docs/operation.ts";
import { OverloadedError } from "./errors.ts";
import type { Route } from "./routes.ts";

/** `GET /healthz`: always 200. */
export const healthzRoute: Route = {
  method: "GET",
  path: "/healthz",
  handler: (c) => c.json({ status: "ok" }),
  operation: () => ({
    operationId: "isAlive",
    summary: "Whether the service is running",
    responses: { 200: jsonResponse("It is running", z.object({ status: z.literal("ok") })) },
  }),
};

/** `GET /readyz`: there are keys to sign with, and the service isn't stopping; 503 otherwise. */
export function readyzRoute(mints: () => readonly Mint[], stopping: AbortSignal | undefined): Route {
  return {
    method: "GET",
    path: "/readyz",
    handler(c) {
      if (stopping?.aborted) throw new OverloadedError("the service is stopping");
      findMint(mints(), undefined);
      return c.json({ status: "ready" });
    },
    operation: () => ({
      operationId: "isReady",
      summary: "Whether the service has keys to sign with",
      responses: {
        200: jsonResponse("It has keys", z.object({ status: z.literal("ready") })),
        ...problemResponses(["keys_unavailable"]),
      },
    }),
  };
}
