import type { Handler } from "hono";
import type { Mint } from "../core/mint.ts";

/** The process answers. */
export const healthz: Handler = (c) => c.json({ status: "ok" });

/** There are keys to sign with; 503 while there are none. */
export function readyz(mint: () => Mint): Handler {
  return (c) => {
    mint();
    return c.json({ status: "ready" });
  };
}
