import { type Context, Hono } from "hono";
import type { Decision, HandledRequest } from "../core/decision.ts";
import type { Policy, TokenAuthenticator } from "../core/identity.ts";
import { findMint, type Mint } from "../core/mint.ts";
import { DEFAULT_RATE_LIMITS, type RateLimits, rateLimiter } from "../core/rate-limit.ts";
import { formatTrace, traceOf } from "../util/trace.ts";
import { credsRoute } from "./creds/handler.ts";
import type { Authenticator } from "./creds/proof.ts";
import type { Servers } from "./creds/servers.ts";
import { type DocumentOptions, lazyDocument, openApiRoute } from "./docs/openapi.ts";
import { docsRoute } from "./docs/page.ts";
import { clientAddress } from "./edge/client-address.ts";
import { type Cors, cors } from "./edge/cors.ts";
import { type Envelope, envelope, errorResponder } from "./edge/envelope.ts";
import { methodsBut, onlyMethods } from "./edge/method-not-allowed.ts";
import {
  DEFAULT_OVERLOAD_LIMITS,
  type OverloadLimits,
  overloadGate,
  overloadLimits,
} from "./edge/overload.ts";
import { pathOf } from "./edge/path.ts";
import { pendingBodies } from "./edge/pending-bodies.ts";
import { problems } from "./edge/problems.ts";
import { NotFoundError } from "./errors.ts";
import { healthzRoute, readyzRoute } from "./health.ts";
import { type Metrics, metricsRoute } from "./metrics.ts";
import { methodsByPath, type Route } from "./routes.ts";

export interface AppOptions {
  /**
   * The mint, or one for each account, of which the first is for grants that name none; or a function that returns the
   * present one and throws `KeysUnavailableError` while there is none.
   */
  readonly mint: Mint | readonly Mint[] | (() => Mint | readonly Mint[]);
  /** Verifies the Bearer token of a request. Without it, tokens are not a proof. */
  readonly authenticateToken?: TokenAuthenticator;
  /** A login of the application's own, for requests without a Bearer token. */
  readonly authenticate?: Authenticator;
  /** Decides what an identity gets. */
  readonly grant: Policy;
  /** The NATS servers that clients connect to. */
  readonly servers: Servers;
  /** Origins of pages elsewhere that may send requests (`https://app.example.com`), compared exactly. None by default. */
  readonly allowedOrigins?: readonly string[];
  /** Whether those pages may send cookies along, for an application whose login is a cookie. Not by default. */
  readonly allowCredentials?: boolean;
  /**
   * Whether a 401 asks for a Bearer token (RFC 6750). It does by default; an application whose login is a cookie has no
   * use for it.
   */
  readonly bearerChallenge?: boolean;
  /** The address of the client, or of the proxy before it, as the runtime knows it. */
  readonly peerAddress?: (c: Context) => string | undefined;
  /**
   * Addresses and CIDR ranges (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` and `X-Request-Id` are trusted. None by
   * default. List proxies only: a client with such an address can claim to be any other client.
   */
  readonly trustedProxies?: readonly string[];
  /** Requests for credentials in a minute, all of which may come at once; 600 per address and 60 per caller by default. */
  readonly rateLimit?: RateLimits | "off";
  /** When requests for credentials are refused, so that the others are processed in time. */
  readonly overload?: OverloadLimits | "off";
  /** Aborted when the service is about to stop: it is no longer ready, and responses end their connections. */
  readonly stopping?: AbortSignal;
  /** Receives the decision on each request for a credential. If it throws, the response is a 500, and no credential. */
  readonly onDecision?: (decision: Decision) => void;
  /** Receives each response, of every path. What it throws goes to `onError`; the response stands. */
  readonly onResponse?: (response: HandledRequest) => void;
  /** Further routes, such as pages. */
  readonly routes?: readonly Route[];
  /** Renders `GET /metrics`, which doesn't exist without it. It responds 404 to requests through a proxy. */
  readonly metrics?: Metrics;
  /** What `/openapi.json` and `/docs` can't know by themselves. */
  readonly document?: DocumentOptions;
  /**
   * Receives an unexpected error; the caller only gets a 500. By default its type and stack go to stderr, but not its
   * message, which may hold what the caller sent.
   */
  readonly onError?: (error: unknown) => void;
}

/**
 * The mint over HTTP: `POST /creds`, `GET /healthz`, `GET /readyz`, `GET /openapi.json`, `GET /docs`. Serve it, or mount
 * it in another Hono application with `app.route("/nats", createApp({ … }))`; unknown paths below are then the other
 * application's.
 * @throws {ConfigError} for a limit or a trusted proxy that can't be one
 */
export function createApp(options: AppOptions): Hono {
  const { peerAddress = () => undefined, trustedProxies = [], stopping, onResponse } = options;
  const onError =
    options.onError ?? ((error: unknown) => console.error("unexpected error:", formatTrace(traceOf(error))));
  const answerError = problems(onError, { bearerChallenge: options.bearerChallenge ?? true });
  const respondToError = errorResponder(answerError);

  const document = lazyDocument(() => routes, options.document);
  const mints = currentMints(options.mint);
  const routes: readonly Route[] = [
    makeCredsRoute(options, mints, respondToError),
    healthzRoute,
    readyzRoute(mints, stopping),
    ...(options.metrics ? [metricsRoute(options.metrics)] : []),
    openApiRoute(document),
    docsRoute(document),
    ...(options.routes ?? []),
  ];

  const pagesElsewhere = cors({
    allowedOrigins: options.allowedOrigins ?? [],
    allowCredentials: options.allowCredentials ?? false,
    methods: routes.map(({ method }) => method),
  });
  const everyRequest = envelope({
    clientOf: clientAddress({ peerAddress, trustedProxies }),
    cors: pagesElsewhere,
    respondToError,
    stopping,
    onResponse: onResponse && swallowErrors(onResponse, onError),
  });
  return routed(routes, everyRequest, pagesElsewhere).onError(answerError);
}

function currentMints(mint: AppOptions["mint"]): () => readonly Mint[] {
  const asList = (one: Mint | readonly Mint[]) => (Array.isArray(one) ? one : [one]) as readonly Mint[];
  if (typeof mint === "function") return () => asList(mint());
  const mints = asList(mint);
  return () => mints;
}

function makeCredsRoute(
  { authenticateToken, authenticate, grant, servers, rateLimit, overload, onDecision }: AppOptions,
  mints: () => readonly Mint[],
  respondToError: ReturnType<typeof errorResponder>,
): Route {
  const atOnce = overloadLimits(overload ?? DEFAULT_OVERLOAD_LIMITS);
  return credsRoute({
    parts: {
      authenticateToken,
      grant,
      mintFor: (account) => findMint(mints(), account),
      limits: rateLimiter(rateLimit ?? DEFAULT_RATE_LIMITS),
      onDecision: onDecision ?? (() => {}),
    },
    authenticate,
    servers,
    gate: overloadGate(atOnce),
    bodies: pendingBodies({ total: atOnce.bodies, perNetwork: atOnce.perAddress }),
    respondToError,
  });
}

/** The routes as a Hono application. Other methods of their paths get a 405, other paths a 404, preflights a response. */
function routed(routes: readonly Route[], everyRequest: Envelope, pagesElsewhere: Cors): Hono {
  const app = new Hono({ getPath: pathOf });
  for (const { method, path, handler, bare } of routes) {
    app.on(method, path, bare ? everyRequest.bare(handler) : everyRequest.full(handler));
  }
  for (const [path, methods] of methodsByPath(routes)) {
    const refuse = onlyMethods(methods);
    app.on(
      methodsBut(methods),
      path,
      everyRequest.full((c, context) => pagesElsewhere.preflight(c) ?? refuse(c, context)),
    );
  }
  const other = everyRequest.full((c) => {
    const preflight = pagesElsewhere.preflight(c);
    if (preflight) return preflight;
    throw new NotFoundError("no such path");
  }, "other");
  app.notFound((c) => other(c, async () => {}) as Promise<Response>);
  return app;
}

function swallowErrors<T>(report: (value: T) => void, onError: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      report(value);
    } catch (error) {
      onError(error);
    }
  };
}
