import { OverloadedError } from "../core/errors.ts";
import type { Mint } from "../core/mint.ts";
import type { Page } from "./edge/envelope.ts";

/** The process answers. */
export const healthz: Page = (c) => c.json({ status: "ok" });

/** There are keys to sign with, and the service goes on; 503 otherwise. */
export function readyz(mint: () => Mint, stopping: AbortSignal | undefined): Page {
  return (c) => {
    if (stopping?.aborted) throw new OverloadedError("the service is stopping");
    mint();
    return c.json({ status: "ready" });
  };
}
