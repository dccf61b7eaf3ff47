import { type Context, type Handler, Hono } from "hono";
import { matchedRoutes, routePath } from "hono/route";
import type { Cors } from "./edge/cors.ts";
import type { Envelope } from "./edge/envelope.ts";
import { methodsBut, onlyMethods } from "./edge/method-not-allowed.ts";
import { pathOf } from "./edge/path.ts";
import { complete } from "./edge/response-headers.ts";
import { NotFoundError } from "./errors.ts";
import { methodsByPath, type Route, type RouteHandler } from "./routes.ts";

/** The routes as a Hono application, which can be mounted in another one. */

export interface HonoOptions {
  readonly routes: readonly Route[];
  readonly everyRequest: Envelope;
  readonly crossOrigin: Cors;
  readonly respondToError: (thrown: unknown) => Response;
  readonly peerAddress: (c: Context) => string | undefined;
}

/** Other methods of the routes' paths get a 405, other paths a 404, preflights a response. */
export function honoApp({
  routes,
  everyRequest,
  crossOrigin,
  respondToError,
  peerAddress,
}: HonoOptions): Hono {
  /** @param route the path's name in reports; by default its pattern */
  function serve(handler: RouteHandler, route?: string): Handler {
    return (c) =>
      everyRequest(
        {
          request: c.req.raw,
          peer: peerAddress(c),
          route: route ?? routePath(c),
          requestId: c.get("requestId"),
        },
        async (context) => {
          // For an application in which this one is mounted.
          c.set("requestId", context.requestId);
          try {
            return await handler(c, context);
          } catch (thrown) {
            return withOuterHeaders(c, respondToError(thrown));
          }
        },
      );
  }

  const completed =
    (handler: RouteHandler): RouteHandler =>
    async (c, context) =>
      complete(await handler(c, context));

  const app = new Hono({ getPath: pathOf });
  for (const { method, path, handler, setsOwnHeaders } of routes) {
    app.on(method, path, serve(setsOwnHeaders ? handler : completed(handler)));
  }
  for (const [path, methods] of methodsByPath(routes)) {
    const refuse = onlyMethods(methods);
    const preflightOrRefuse = completed((c, context) => crossOrigin.preflight(c) ?? refuse(c, context));
    app.on(methodsBut(methods), path, serve(preflightOrRefuse));
  }
  const preflightOrNotFound = completed((c) => {
    const preflight = crossOrigin.preflight(c);
    if (preflight) return preflight;
    throw new NotFoundError("no such path");
  });
  const other = serve(preflightOrNotFound, "other");
  app.notFound((c) => other(c, async () => {}) as Promise<Response>);
  return app.onError((error, c) => withOuterHeaders(c, respondToError(error)));
}

/** Adds the headers that handlers of a surrounding application have set before, such as a cookie. */
export async function withOuterHeaders(c: Context, response: Response): Promise<Response> {
  const isOnlyHandler = matchedRoutes(c).length <= 1;
  return isOnlyHandler ? response : c.newResponse(await response.text(), response);
}
