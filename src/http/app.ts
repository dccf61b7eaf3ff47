import type { Context, Hono } from "hono";
import type { Decision, HandledRequest } from "../core/decision.ts";
import type { Authorizer, TokenAuthenticator } from "../core/identity.ts";
import { findMint, type Mint } from "../core/mint.ts";
import { DEFAULT_RATE_LIMITS, type RateLimiter, type RateLimits, rateLimiter } from "../core/rate-limit.ts";
import { asError } from "../util/as-error.ts";
import { formatTrace, traceOf } from "../util/trace.ts";
import { type CredsHandler, credsHandler } from "./creds/handler.ts";
import { describeCreds } from "./creds/operation.ts";
import type { Authenticator } from "./creds/proof.ts";
import type { Servers } from "./creds/servers.ts";
import { type DocumentOptions, lazyDocument, openApiRoute } from "./docs/openapi.ts";
import { docsRoute } from "./docs/page.ts";
import { clientAddress } from "./edge/client-address.ts";
import { cors } from "./edge/cors.ts";
import { envelope } from "./edge/envelope.ts";
import {
  DEFAULT_OVERLOAD_LIMITS,
  type OverloadLimits,
  overloadGate,
  overloadLimits,
} from "./edge/overload.ts";
import { pendingBodies } from "./edge/pending-bodies.ts";
import { problems } from "./edge/problems.ts";
import { complete } from "./edge/response-headers.ts";
import { healthzRoute, readyzRoute } from "./health.ts";
import { honoApp, withOuterHeaders } from "./hono.ts";
import { metricsRoute, type RenderMetrics } from "./metrics.ts";
import type { Route } from "./routes.ts";

export interface AppOptions {
  /**
   * The mint; or one for each account, of which the first is for grants without `account`; or a function that returns
   * the current one or ones, and throws `KeysUnavailableError` while there is none.
   */
  readonly mint: Mint | readonly Mint[] | (() => Mint | readonly Mint[]);
  /** Verifies the Bearer token of a request. Without it, tokens are not a proof. */
  readonly authenticateToken?: TokenAuthenticator;
  /** A login of the application's own, for requests without a Bearer token. */
  readonly authenticate?: Authenticator;
  /** Decides what an identity is granted. */
  readonly grant: Authorizer;
  /** The NATS servers that clients connect to. */
  readonly servers: Servers;
  /** Origins whose pages may send requests (`https://app.example.com`), compared exactly. None by default. */
  readonly allowedOrigins?: readonly string[];
  /** Receives the `Origin` of each preflight that is refused because it is not allowed: any text that a client sent. */
  readonly onOriginRefused?: (origin: string) => void;
  /** Whether those pages may send cookies along, for an application whose login is a cookie. Not by default. */
  readonly allowCredentials?: boolean;
  /**
   * Request headers that those pages may send, besides `Authorization`, `Content-Type` and the tracing headers
   * `traceparent`, `tracestate`, `baggage` and `sentry-trace`. None by default.
   */
  readonly allowedHeaders?: readonly string[];
  /**
   * Whether a 401 has the header `WWW-Authenticate: Bearer` (RFC 6750). True by default; an application whose login is
   * a cookie doesn't need it.
   */
  readonly bearerChallenge?: boolean;
  /** The address at the other end of the connection, a client's or a proxy's. Without it no address limit applies. */
  readonly peerAddress?: (c: Context) => string | undefined;
  /**
   * Addresses and CIDR ranges (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` and `X-Request-Id` are trusted. None by
   * default. List proxies only: a client with such an address can claim to be any other client.
   */
  readonly trustedProxies?: readonly string[];
  /** Requests for credentials a minute, which may arrive at once; 600 per address and 60 per caller by default. */
  readonly rateLimit?: RateLimits | RateLimiter | "off";
  /** Above these limits, requests for credentials are refused, so that the others are processed in time. */
  readonly overload?: OverloadLimits | "off";
  /** Aborted when the service is about to stop. `/readyz` then responds 503, and responses close their connections. */
  readonly stopping?: AbortSignal;
  /** Receives the decision on each request for a credential. If it throws, the response is a 500, and no credential. */
  readonly onDecision?: (decision: Decision) => void;
  /** Receives each response, of every path. What it throws goes to `onError`; the response does not change. */
  readonly onResponse?: (response: HandledRequest) => void;
  /** Further routes, such as pages. */
  readonly routes?: readonly Route[];
  /** Renders `GET /metrics`, which doesn't exist without it. It responds 404 to requests through a proxy. */
  readonly metrics?: RenderMetrics;
  /** The service's version and login methods, for `/openapi.json` and `/docs`. */
  readonly document?: DocumentOptions;
  /**
   * Receives an unexpected error; the caller only gets a 500. By default the error's type and stack are written to
   * stderr, but not its message, which may contain data from the request.
   */
  readonly onError?: (error: unknown) => void;
}

/**
 * The mint over HTTP: `POST /creds`, `GET /healthz`, `GET /readyz`, `GET /openapi.json`, `GET /docs`. Serve it, or
 * mount it in another Hono application with `app.route("/nats", createApp({ … }))`, which then handles unknown paths
 * itself.
 * @throws {ConfigError} for a limit or a trusted proxy that is not valid
 */
export const createApp = (options: AppOptions): Hono => createDoor(options).app;

/** The mint over HTTP, for a runtime with a router of its own. */
export interface HttpDoor {
  /** All paths. */
  readonly app: Hono;
  /**
   * `POST /creds` for the runtime's own table of routes, without Hono. It is what the application calls, too.
   * @param peer the address at the other end of the connection
   */
  readonly creds: (request: Request, peer: string | undefined) => Promise<Response>;
}

/** The path of requests for credentials. */
export const CREDS_PATH = "/creds";

/** Makes `createApp`'s application, and its usual request as a function. */
export function createDoor(options: AppOptions): HttpDoor {
  const { peerAddress = () => undefined, trustedProxies = [], stopping, onResponse } = options;
  const onError =
    options.onError ?? ((error: unknown) => console.error("unexpected error:", formatTrace(traceOf(error))));
  const problemResponse = problems(onError, { bearerChallenge: options.bearerChallenge ?? true });
  const respondToError = (thrown: unknown) => complete(problemResponse(asError(thrown)));

  const document = lazyDocument(() => routes, options.document);
  const mints = currentMints(options.mint);
  const creds = makeCreds(options, mints, respondToError);
  const routes: readonly Route[] = [
    {
      method: "POST",
      path: CREDS_PATH,
      handler: async (c, context) => withOuterHeaders(c, await creds(await requestWithBody(c), context)),
      setsOwnHeaders: true,
      operation: describeCreds,
    },
    healthzRoute,
    readyzRoute(mints, stopping),
    ...(options.metrics ? [metricsRoute(options.metrics)] : []),
    openApiRoute(document),
    docsRoute(document),
    ...(options.routes ?? []),
  ];

  const crossOrigin = cors({
    allowedOrigins: options.allowedOrigins ?? [],
    allowCredentials: options.allowCredentials ?? false,
    allowedHeaders: options.allowedHeaders ?? [],
    methods: routes.map(({ method }) => method),
    onRefused: options.onOriginRefused,
  });
  const everyRequest = envelope({
    clientOf: clientAddress(trustedProxies),
    cors: crossOrigin,
    respondToError,
    stopping,
    onResponse: onResponse && swallowErrors(onResponse, onError),
  });
  return {
    app: honoApp({ routes, everyRequest, crossOrigin, respondToError, peerAddress }),
    creds: (request, peer) =>
      everyRequest({ request, peer, route: CREDS_PATH }, (context) => creds(request, context)),
  };
}

/** The request; with a new copy of its body where a Hono middleware has read it: Hono keeps what was read. */
async function requestWithBody({ req }: Context): Promise<Request> {
  const { raw } = req;
  if (!raw.bodyUsed || Object.keys(req.bodyCache).length === 0) return raw;
  const headers = new Headers(raw.headers);
  headers.delete("Content-Length");
  return new Request(raw.url, { method: raw.method, headers, body: await req.text() });
}

function currentMints(mint: AppOptions["mint"]): () => readonly Mint[] {
  const asList = (one: Mint | readonly Mint[]) => (Array.isArray(one) ? one : [one]) as readonly Mint[];
  if (typeof mint === "function") return () => asList(mint());
  const mints = asList(mint);
  return () => mints;
}

function makeCreds(
  { authenticateToken, authenticate, grant, servers, rateLimit, overload, onDecision }: AppOptions,
  mints: () => readonly Mint[],
  respondToError: (thrown: unknown) => Response,
): CredsHandler {
  const capacity = overloadLimits(overload ?? DEFAULT_OVERLOAD_LIMITS);
  return credsHandler({
    parts: {
      authenticateToken,
      grant,
      mintFor: (account) => findMint(mints(), account),
      limits: asLimiter(rateLimit ?? DEFAULT_RATE_LIMITS),
      onDecision: onDecision ?? (() => {}),
    },
    authenticate,
    servers,
    gate: overloadGate(capacity),
    bodies: pendingBodies({ total: capacity.bodies, perNetwork: capacity.perAddress }),
    respondToError,
  });
}

/** A limiter that was made already is shared with other doors of the application. */
const asLimiter = (rateLimit: RateLimits | RateLimiter | "off"): RateLimiter =>
  rateLimit !== "off" && typeof rateLimit.subject === "function"
    ? (rateLimit as RateLimiter)
    : rateLimiter(rateLimit as RateLimits | "off");

function swallowErrors<T>(report: (value: T) => void, onError: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      report(value);
    } catch (error) {
      onError(error);
    }
  };
}
