import { NotFoundError } from "../core/errors.ts";
import type { Page } from "./edge/envelope.ts";
import { pathOf } from "./edge/path.ts";

/** The figures as text, and the type of that text. */
export type Metrics = () => Promise<{ readonly body: string; readonly contentType: string }>;

/** What a proxy adds to the requests that it passes on. */
const PROXIED = ["X-Forwarded-For", "Forwarded", "Via"];

/**
 * Figures for a monitoring system that asks the service itself. Through a proxy there is nothing: an ingress that
 * publishes the service as a whole must not publish these. An application that this one is mounted in may decode paths:
 * another form of this one is another path here, too.
 */
export function metricsPage(render: Metrics): Page {
  return async (c) => {
    if (PROXIED.some((name) => c.req.header(name) !== undefined)) {
      throw new NotFoundError("metrics are not given through a proxy: ask the service itself");
    }
    if (!pathOf(c.req.raw).endsWith("/metrics")) throw new NotFoundError("no such path");
    const { body, contentType } = await render();
    return c.body(body, 200, { "Content-Type": contentType });
  };
}
