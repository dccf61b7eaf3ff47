import { METHODS } from "node:http";
import { MethodNotAllowedError } from "../../core/errors.ts";
import type { Page } from "./envelope.ts";

/** All methods that there are but these. */
export const methodsBut = (allow: readonly string[]): string[] =>
  METHODS.filter((method) => !allow.includes(method));

/** For those: 405, with `Allow`. */
export function onlyMethods(allow: readonly string[]): Page {
  return () => {
    throw new MethodNotAllowedError(allow);
  };
}
