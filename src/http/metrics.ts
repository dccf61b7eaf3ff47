import { z } from "@hono/zod-openapi";
import { problemResponses, REQUEST_ID } from "./docs/operation.ts";
import { pathOf } from "./edge/path.ts";
import { NotFoundError } from "./errors.ts";
import type { Route } from "./routes.ts";

/** Renders the metrics as text; `contentType` is the text's format. */
export type Metrics = () => Promise<{ readonly body: string; readonly contentType: string }>;

/** What a proxy adds to the requests that it passes on. */
const PROXIED = ["X-Forwarded-For", "Forwarded", "Via"];

/**
 * `GET /metrics`, for a monitoring system that sends its requests to the service itself. Through a proxy it responds 404:
 * an ingress that publishes the service as a whole must not publish the metrics. An application that this one is mounted
 * in may decode paths; an encoded form of this path is not found either.
 */
export function metricsRoute(render: Metrics): Route {
  return {
    method: "GET",
    path: "/metrics",
    async handler(c) {
      if (PROXIED.some((name) => c.req.header(name) !== undefined)) {
        throw new NotFoundError(
          "metrics are not given through a proxy: send the request to the service itself",
        );
      }
      if (!pathOf(c.req.raw).endsWith("/metrics")) throw new NotFoundError("no such path");
      const { body, contentType } = await render();
      return c.body(body, 200, { "Content-Type": contentType });
    },
    operation: () => ({
      operationId: "getMetrics",
      summary: "Metrics for Prometheus",
      description: "Not given through a proxy, and only where the service was set up to count.",
      responses: {
        200: {
          description: "Metrics in Prometheus's text format",
          headers: REQUEST_ID,
          content: { "text/plain": { schema: z.string() } },
        },
        ...problemResponses(["not_found"]),
      },
    }),
  };
}
