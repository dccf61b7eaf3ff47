import { type Context, Hono } from "hono";
import type { Answered, Decision } from "../core/decision.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Mint } from "../core/mint.ts";
import { DEFAULT_RATE_LIMITS, type RateLimits } from "../core/rate-limit.ts";
import { formatTrace, traceOf } from "../util/trace.ts";
import { type CredsOptions, creds } from "./creds/handler.ts";
import { type DocumentOptions, lazyDocument, openApiJson } from "./docs/openapi.ts";
import { docsPage } from "./docs/page.ts";
import { clientAddress } from "./edge/client-address.ts";
import { cors } from "./edge/cors.ts";
import { everyRequest, failing, type Page } from "./edge/envelope.ts";
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
import { rateLimiter } from "./edge/rate-limit.ts";
import { healthz, readyz } from "./health.ts";
import { type Metrics, metricsPage } from "./metrics.ts";

export interface AppOptions extends Pick<CredsOptions, "authenticate" | "grant" | "servers"> {
  /** The mint, or a function that gives the present one and throws `KeysUnavailableError` while there is none. */
  readonly mint: Mint | (() => Mint);
  /** Origins of pages that may ask from elsewhere (`https://app.example.com`), compared exactly. None by default. */
  readonly allowedOrigins?: readonly string[];
  /** Whether those pages may send cookies along, for an application whose login is a cookie. Not by default. */
  readonly allowCredentials?: boolean;
  /**
   * Whether a 401 asks for a Bearer token (RFC 6750). It does by default; an application whose login is a cookie has
   * nothing of the kind to ask for.
   */
  readonly bearerChallenge?: boolean;
  /** The address of the client, or of the proxy before it, as the runtime knows it. */
  readonly peerAddress?: (c: Context) => string | undefined;
  /**
   * Addresses and CIDR ranges (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` and `X-Request-Id` are believed. None by
   * default. Name only proxies: whoever connects from such an address can say that it is anybody.
   */
  readonly trustedProxies?: readonly string[];
  /** Requests for credentials in a minute, and at once; 600 for an address and 60 for a caller by default. */
  readonly rateLimit?: RateLimits | "off";
  /** From when on requests for credentials are refused, so that the others are answered in time. */
  readonly overload?: OverloadLimits | "off";
  /** When it is aborted, the service is about to stop: it is no longer ready, and answers end their connections. */
  readonly stopping?: AbortSignal;
  /** Told of each answer to a request for a credential. If it throws, the answer is a 500, and no credential. */
  readonly onDecision?: (decision: Decision) => void;
  /** Told of each answer, whatever was asked. What it throws goes to `onError`; the answer stands. */
  readonly onAnswer?: (answer: Answered) => void;
  /** More pages, by their paths: what is answered to a GET. */
  readonly pages?: Readonly<Record<string, Page>>;
  /** What `GET /metrics` answers to whoever asks without a proxy. Without it there is no such path. */
  readonly metrics?: Metrics;
  /** What `/openapi.json` and `/docs` can't know by themselves. */
  readonly document?: Omit<DocumentOptions, "metrics">;
  /**
   * Told of an error that nobody expected; the caller only gets a 500. By default it goes to stderr: what it was and
   * where, but not its message, which may hold what the caller sent.
   */
  readonly onError?: (error: unknown) => void;
}

/**
 * The mint over HTTP: `POST /creds`, `GET /healthz`, `GET /readyz`, `GET /openapi.json`, `GET /docs`. Serve it, or mount
 * it in another Hono application with `app.route("/nats", createApp({ … }))`; paths it doesn't know are then the other
 * application's to answer.
 * @throws {ConfigError} for a limit or a trusted proxy that can't be one
 */
export function createApp(options: AppOptions): Hono {
  const {
    mint,
    allowedOrigins = [],
    allowCredentials = false,
    bearerChallenge = true,
    peerAddress = () => undefined,
    trustedProxies = [],
    rateLimit = DEFAULT_RATE_LIMITS,
    overload = DEFAULT_OVERLOAD_LIMITS,
    stopping,
    onDecision = () => {},
    onAnswer,
    metrics,
    pages = {},
    onError = (error) => console.error("unexpected error:", formatTrace(traceOf(error))),
  } = options;
  const currentMint = typeof mint === "function" ? mint : () => mint;

  const document = lazyDocument({ ...options.document, metrics: metrics !== undefined });

  const answerError = problems(onError, { bearerChallenge });
  const failed = failing(answerError);
  const pagesOfOthers = cors({ allowedOrigins, allowCredentials });

  const every = everyRequest({
    clientOf: clientAddress({ peerAddress, trustedProxies }),
    cors: pagesOfOthers,
    failed,
    stopping,
    onAnswer: onAnswer && quietly(onAnswer, onError),
  });
  const atOnce = overloadLimits(overload);
  const answer = creds({
    ...options,
    mint: currentMint,
    limits: rateLimiter(rateLimit),
    gate: overloadGate(atOnce),
    bodies: pendingBodies({ total: atOnce.bodies, perNetwork: atOnce.perAddress }),
    failed,
    onDecision,
  });

  const app = new Hono({ getPath: pathOf });
  app.post("/creds", every.lean(answer));
  rest("/creds", "POST");

  const all: Readonly<Record<string, Page>> = {
    "/healthz": healthz,
    "/readyz": readyz(currentMint, stopping),
    "/openapi.json": openApiJson(document),
    "/docs": docsPage(document),
    ...(metrics && { "/metrics": metricsPage(metrics) }),
    ...pages,
  };
  for (const [path, page] of Object.entries(all)) {
    app.get(path, every.page(page));
    rest(path, "GET", "HEAD");
  }
  const other = every.page((c) => {
    const preflight = pagesOfOthers.preflight(c);
    if (preflight) return preflight;
    throw new NotFoundError("no such path");
  }, "other");
  app.notFound((c) => other(c, async () => {}) as Promise<Response>);
  app.onError(answerError);
  return app;

  /** What is asked of a path by another method. */
  function rest(path: string, ...allow: string[]): void {
    const refuse = onlyMethods(allow);
    app.on(
      methodsBut(allow),
      path,
      every.page((c) => pagesOfOthers.preflight(c) ?? refuse(c)),
    );
  }
}

function quietly<T>(report: (value: T) => void, onError: (error: unknown) => void): (value: T) => void {
  return (value) => {
    try {
      report(value);
    } catch (error) {
      onError(error);
    }
  };
}
