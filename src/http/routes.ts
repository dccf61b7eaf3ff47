import type { Context } from "hono";
import type { RequestContext } from "../core/issue.ts";
import type { Operation } from "./docs/operation.ts";

/** Responds, or throws an error that becomes a problem response. */
export type RouteHandler = (c: Context, context: RequestContext) => Response | Promise<Response>;

/** One path and method of the application. The OpenAPI document is made from the same routes. */
export interface Route {
  /** In upper case. `GET` includes `HEAD`. */
  readonly method: string;
  readonly path: string;
  readonly handler: RouteHandler;
  /** Its part of the OpenAPI document, which does not show a route without it, such as an HTML page. */
  readonly operation?: () => Operation;
  /** Whether the handler's responses already have the headers of every response. */
  readonly setsOwnHeaders?: boolean;
}

/** The methods of each path, as the header `Allow` lists them. */
export function methodsByPath(routes: readonly Route[]): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) {
    const known = methods.get(path) ?? [];
    methods.set(path, [...known, ...(method === "GET" ? ["GET", "HEAD"] : [method])]);
  }
  return methods;
}
