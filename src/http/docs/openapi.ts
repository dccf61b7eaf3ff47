import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AuthMethodName } from "../../core/identity.ts";
import type { Route, RouteHandler } from "../routes.ts";
import { jsonResponse, type Operation } from "./operation.ts";

/** The interface as an OpenAPI 3.1 document, made from the routes, their schemas and the table of problems. */

export interface DocumentOptions {
  /** The service's version. */
  readonly version?: string;
  /** The authentication methods; empty for an application's own login, which the document does not describe. */
  readonly login?: readonly AuthMethodName[];
}

export type Document = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const SCHEMES = {
  oidc: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "An access token or ID token of an OpenID issuer that the service trusts.",
  },
  "api-key": {
    type: "http",
    scheme: "bearer",
    bearerFormat: "API key",
    description: "A key that the service's operator made for a backend.",
  },
} as const;

/** The document, without `servers`: the path under which it is served is only known at a request. */
export function openApiDocument(
  routes: readonly Route[],
  { version = "0", login = [] }: DocumentOptions = {},
): Document {
  const app = new OpenAPIHono();
  const { openAPIRegistry: registry } = app;
  const schemes = login.filter((method) => method !== "dev");
  for (const name of schemes) registry.registerComponent("securitySchemes", name, SCHEMES[name]);
  // An empty requirement means that a request needs no proof.
  const security = [...schemes.map((name) => ({ [name]: [] })), ...(login.includes("dev") ? [{}] : [])];
  for (const { method, path, operation } of routes) {
    if (!operation) continue;
    const { authenticated, ...described } = operation();
    registry.registerPath(
      createRoute({
        ...described,
        method: method.toLowerCase() as "get",
        path,
        ...(authenticated && security.length > 0 && { security }),
      }),
    );
  }

  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "nats-mint",
      version,
      description: "Issues each caller a short-lived NATS credential of its own.",
    },
  });
  // Only an OpenID token identifies its user; with `dev` and API keys the request must name one.
  const request = document.components?.schemas?.CredsRequest;
  const needsUser = login.length > 0 && !login.includes("oidc");
  if (needsUser && request && "type" in request) request.required = ["user"];
  return document;
}

/** A function that makes the document at its first call and returns the same one later. */
export function lazyDocument(routes: () => readonly Route[], options?: DocumentOptions): () => Document {
  let document: Document | undefined;
  return () => {
    document ??= openApiDocument(routes(), options);
    return document;
  };
}

/** The path under which the application is mounted in another one. */
const mountPoint = (c: Context, path: string): string => c.req.path.slice(0, -path.length) || "/";

/** `GET /openapi.json`: the document, with the path that it is served under as its server. */
export function openApiRoute(document: () => Document): Route {
  const path = "/openapi.json";
  const handler: RouteHandler = (c) => {
    const { openapi, info, ...rest } = document();
    return c.json({ openapi, info, servers: [{ url: mountPoint(c, path) }], ...rest });
  };
  return { method: "GET", path, handler, operation: describeOpenApi };
}

const describeOpenApi = (): Operation => ({
  operationId: "getDocument",
  summary: "This document",
  responses: { 200: jsonResponse("The OpenAPI document", z.object({ openapi: z.string() })) },
});
