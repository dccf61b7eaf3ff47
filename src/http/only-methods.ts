import type { Handler } from "hono";
import { MethodNotAllowedError } from "../core/errors.ts";

/** For what is left of a path when its methods have been routed: 405, with `Allow`. */
export function onlyMethods(...allow: string[]): Handler {
  return () => {
    throw new MethodNotAllowedError(allow);
  };
}
