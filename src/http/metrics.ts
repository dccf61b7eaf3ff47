import { z } from "@hono/zod-openapi";
import { problemResponses, REQUEST_ID } from "./docs/operation.ts";
import { pathOf } from "./edge/path.ts";
import { NotFoundError } from "./errors.ts";
import type { Route } from "./routes.ts";

/** Renders the metrics as text; `contentType` is the text's format. */
export type RenderMetrics = () => Promise<{ readonly body: string; readonly contentType: string }>;

/** The headers that a proxy adds to the requests that it passes on. */
const PROXIED = ["X-Forwarded-For", "Forwarded", "Via"];

/**
 * `GET /metrics`, for a monitoring system that sends its requests directly to the service. A request through a proxy
 * gets a 404, so that an ingress for the whole service does not publish the metrics. An encoded form of the path also
 * gets a 404: an application in which this one is mounted may decode paths.
 */
export function metricsRoute(render: RenderMetrics): Route {
  return {
    method: "GET",
    path: "/metrics",
    async handler(c) {
      if (PROXIED.some((name) => c.req.header(name) !== undefined)) {
        throw new NotFoundError(
          "metrics are not available through a proxy: send the request directly to the service",
        );
      }
      if (!pathOf(c.req.raw).endsWith("/metrics")) throw new NotFoundError("no such path");
      const { body, contentType } = await render();
      return c.body(body, 200, { "Content-Type": contentType });
    },
    operation: () => ({
      operationId: "getMetrics",
      summary: "Metrics for Prometheus",
      description: "Not available through a proxy, and only if the service collects metrics.",
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
