import type { Handler } from "hono";
import { OverloadedError } from "../core/errors.ts";
import type { Mint } from "../core/mint.ts";

/** The process answers. */
export const healthz: Handler = (c) => c.json({ status: "ok" });

/** There are keys to sign with, and the service goes on; 503 otherwise. */
export function readyz(mint: () => Mint, stopping: AbortSignal | undefined): Handler {
  return (c) => {
    if (stopping?.aborted) throw new OverloadedError("the service is stopping");
    mint();
    return c.json({ status: "ready" });
  };
}
