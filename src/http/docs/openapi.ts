import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ErrorCode } from "../../core/errors.ts";
import { CredsRequestShape } from "../creds/request.ts";
import { CredsResponseShape } from "../creds/response.ts";
import type { Page } from "../edge/envelope.ts";
import { INTERNAL, PROBLEMS } from "../edge/problems.ts";

/** The interface as an OpenAPI 3.1 document, made out of the schemas and the table of problems that the service uses. */

/** How callers prove who they are. */
type Login = "dev" | "oidc" | "api-key";

export interface DocumentOptions {
  /** Of this service. */
  readonly version?: string;
  /** None for an application's own login, about which the document says nothing. */
  readonly login?: readonly Login[];
  /** Whether there is `/metrics`. */
  readonly metrics?: boolean;
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
    description: "A key that the service's operator has made for a program.",
  },
} as const;

/** Of preflights and other paths and methods: `POST /creds` itself never gives them. */
const ELSEWHERE: readonly string[] = ["not_found", "method_not_allowed", "origin_not_allowed"];

const text = (description: string, required = false) => ({
  description,
  required,
  schema: { type: "string" } as const,
});

const REQUEST_ID = { "X-Request-Id": text("Names this request in the service's log.", true) };
const RATE_LIMIT = {
  RateLimit: text("What is left of the limit, and for how long."),
  "RateLimit-Policy": text("The limit."),
};
const HEADERS: Readonly<Record<number, Record<string, ReturnType<typeof text>>>> = {
  401: { "WWW-Authenticate": text("`Bearer`, and what is wrong with the token, if there was one.") },
  429: { "Retry-After": text("Seconds after which it is worth another try.", true), ...RATE_LIMIT },
  503: { "Retry-After": text("Seconds after which it is worth another try.", true) },
};

/** The document. `servers` is left to whoever knows where it is served. */
export function openApiDocument({
  version = "0",
  login = [],
  metrics = false,
}: DocumentOptions = {}): Document {
  const app = new OpenAPIHono();
  const { openAPIRegistry: registry } = app;
  const schemes = login.filter((one) => one !== "dev");
  for (const one of schemes) registry.registerComponent("securitySchemes", one, SCHEMES[one]);
  // An empty requirement says that it goes without, too.
  const security = [...schemes.map((one) => ({ [one]: [] })), ...(login.includes("dev") ? [{}] : [])];
  const routes = [creds(security), healthz, readyz, ...(metrics ? [figures] : []), openapi, docs];
  for (const route of routes) registry.registerPath(route);

  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "nats-mint",
      version,
      description: "Gives each caller a short-lived NATS credential of its own.",
    },
  });
  // Only a token says whom it is for: `dev` and an API key know nothing but `user`.
  const request = document.components?.schemas?.CredsRequest;
  const needsUser = login.length > 0 && !login.includes("oidc");
  if (needsUser && request && "type" in request) request.required = ["user"];
  return document;
}

const creds = (security: Record<string, string[]>[]) =>
  createRoute({
    method: "post",
    path: "/creds",
    operationId: "createCreds",
    summary: "Get a credential",
    description:
      "Who is calling, what may they have, sign it, hand it over. With `Accept: application/x-nats-creds` or `text/plain` the answer is a creds file, which NATS clients read.",
    ...(security.length > 0 && { security }),
    request: {
      body: { required: true, content: { "application/json": { schema: CredsRequestShape } } },
    },
    responses: {
      200: {
        description: "A credential",
        headers: { ...REQUEST_ID, ...RATE_LIMIT },
        content: {
          "application/json": { schema: CredsResponseShape },
          "application/x-nats-creds": { schema: credsFile },
          "text/plain": { schema: credsFile },
        },
      },
      ...problemsOf([...Object.keys(PROBLEMS).filter((code) => !ELSEWHERE.includes(code)), "internal_error"]),
    },
  });

const credsFile = z.string().openapi({ description: "The user JWT and the seed, as a creds file." });

const healthz = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "isAlive",
  summary: "Does the service run?",
  responses: { 200: json("It does", z.object({ status: z.literal("ok") })) },
});

const readyz = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "isReady",
  summary: "Has the service keys to sign with?",
  responses: {
    200: json("It has", z.object({ status: z.literal("ready") })),
    ...problemsOf(["keys_unavailable"]),
  },
});

const figures = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  summary: "Figures for Prometheus",
  description: "Not given through a proxy, and only where the service was set up to count.",
  responses: {
    200: {
      description: "Figures in Prometheus's text format",
      headers: REQUEST_ID,
      content: { "text/plain": { schema: z.string() } },
    },
    ...problemsOf(["not_found"]),
  },
});

const openapi = createRoute({
  method: "get",
  path: "/openapi.json",
  operationId: "getDocument",
  summary: "This document",
  responses: { 200: json("The OpenAPI document", z.object({ openapi: z.string() })) },
});

const docs = createRoute({
  method: "get",
  path: "/docs",
  operationId: "getDocs",
  summary: "This document as a page",
  responses: {
    200: { description: "A page", headers: REQUEST_ID, content: { "text/html": { schema: z.string() } } },
  },
});

function json(description: string, schema: z.ZodType) {
  return { description, headers: REQUEST_ID, content: { "application/json": { schema } } };
}

/** One response for each status that one of these codes has, with the codes that it may carry. */
function problemsOf(codes: readonly string[]) {
  const statusOf = (code: string) => (PROBLEMS[code as ErrorCode] ?? INTERNAL).status;
  const statuses = [...new Set(codes.map(statusOf))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      problem(
        status,
        codes.filter((code) => statusOf(code) === status),
      ),
    ]),
  );
}

function problem(status: number, codes: readonly string[]) {
  const schema = z.object({
    type: z.string().openapi({ format: "uri", example: `urn:nats-mint:problem:${codes[0]}` }),
    title: z.string(),
    status: z.literal(status),
    detail: z.string().openapi({ description: "For people; it may change." }),
    code: z
      .enum(codes as [string, ...string[]])
      .openapi({ description: "What went wrong. It doesn't change." }),
  });
  const titles = codes.map((code) => (PROBLEMS[code as ErrorCode] ?? INTERNAL).title);
  return {
    description: titles.join("; "),
    headers: { ...REQUEST_ID, ...HEADERS[status] },
    content: { "application/problem+json": { schema } },
  };
}

/** The document, made when it is first asked for. */
export function lazyDocument(options: DocumentOptions): () => Document {
  let document: Document | undefined;
  return () => {
    document ??= openApiDocument(options);
    return document;
  };
}

/** Where the document is served from, as a path before all others: it may be mounted in another application. */
const mountPoint = (c: Context, path: string): string => c.req.path.slice(0, -path.length) || "/";

/** `GET /openapi.json` */
export function openApiJson(document: () => Document): Page {
  return (c) => {
    const { openapi, info, ...rest } = document();
    return c.json({ openapi, info, servers: [{ url: mountPoint(c, "/openapi.json") }], ...rest });
  };
}
