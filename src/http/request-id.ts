import { createMiddleware } from "hono/factory";
import { requestId as honoRequestId } from "hono/request-id";
import type { ClientVariables } from "./client-address.ts";

/** Longer than any that a proxy makes. */
const MAX_LENGTH = 64;

const fromProxy = honoRequestId({ limitLength: MAX_LENGTH });

/**
 * Names the request, for logs and the caller. A name that comes with the request counts only from a trusted proxy: from
 * anybody else it would be somebody else's text in the log, or somebody else's request. An application that this one is
 * mounted in may have named it already.
 */
export const requestId = createMiddleware<{ Variables: ClientVariables & { requestId: string } }>(
  async (c, next) => {
    const named = c.get("requestId") as string | undefined;
    if (c.var.viaTrustedProxy && !named) return fromProxy(c, next);
    const id = named ?? crypto.randomUUID();
    c.set("requestId", id);
    c.header("X-Request-Id", id);
    await next();
  },
);
