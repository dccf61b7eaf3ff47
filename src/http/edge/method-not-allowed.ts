import { METHODS } from "node:http";
import { MethodNotAllowedError } from "../errors.ts";
import type { RouteHandler } from "../routes.ts";

/** All HTTP methods except these. */
export const methodsBut = (allow: readonly string[]): string[] =>
  METHODS.filter((method) => !allow.includes(method));

/** Responds 405, with the header `Allow`. */
export function onlyMethods(allow: readonly string[]): RouteHandler {
  return () => {
    throw new MethodNotAllowedError(allow);
  };
}
