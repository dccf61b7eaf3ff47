import { type Context, type Handler, Hono } from "hono";
import type { Answered, Decision } from "../core/decision.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Mint } from "../core/mint.ts";
import { DEFAULT_RATE_LIMITS, type RateLimits } from "../core/rate-limits.ts";
import { formatTrace, traceOf } from "../core/trace.ts";
import { answers } from "./answers.ts";
import { type ClientVariables, clientAddress } from "./client-address.ts";
import { cors, refusePreflight } from "./cors.ts";
import { type CredsOptions, creds } from "./creds.ts";
import { decisions, type Trail } from "./decisions.ts";
import { docsPage } from "./docs-page.ts";
import { healthz, readyz } from "./health.ts";
import { type Metrics, metricsPage } from "./metrics.ts";
import { onlyErrors } from "./only-errors.ts";
import { onlyMethods } from "./only-methods.ts";
import { type DocumentOptions, lazyDocument, openApiJson } from "./openapi.ts";
import { DEFAULT_OVERLOAD_LIMITS, type OverloadLimits, refuseOverload } from "./overload.ts";
import { problems } from "./problems.ts";
import { rateLimiter } from "./rate-limit.ts";
import { readJson } from "./read-json.ts";
import { requestId } from "./request-id.ts";
import { responseHeaders } from "./response-headers.ts";

export interface AppOptions extends Omit<CredsOptions, "mint" | "limitSubject"> {
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
  /** When it is aborted, the service is about to stop, and no longer ready. */
  readonly stopping?: AbortSignal;
  /** Told of each answer to a request for a credential. */
  readonly onDecision?: (decision: Decision) => void;
  /** Told of each answer, whatever was asked. */
  readonly onAnswer?: (answer: Answered) => void;
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
    onError = (error) => console.error("unexpected error:", formatTrace(traceOf(error))),
  } = options;
  const currentMint = typeof mint === "function" ? mint : () => mint;

  const document = lazyDocument({ ...options.document, metrics: metrics !== undefined });

  const limits = rateLimiter(rateLimit);

  const app = new Hono<{ Variables: Trail["Variables"] & ClientVariables }>();
  if (onAnswer) app.use(answers(onAnswer));
  app.use(clientAddress({ peerAddress, trustedProxies }));
  app.use(requestId);
  app.use(...responseHeaders, onlyErrors);
  app.use(cors({ allowedOrigins, allowCredentials }));

  app.post("/creds", decisions(onDecision), onlyErrors, limits.address);
  if (overload !== "off") app.post("/creds", refuseOverload(overload));
  app.post("/creds", readJson(), creds({ ...options, mint: currentMint, limitSubject: limits.subject }));
  app.all("/creds", refusePreflight, onlyMethods("POST"));

  const pages: Readonly<Record<string, Handler>> = {
    "/healthz": healthz,
    "/readyz": readyz(currentMint, stopping),
    "/openapi.json": openApiJson(document),
    "/docs": docsPage(document),
    ...(metrics && { "/metrics": metricsPage(metrics) }),
  };
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, page);
    app.all(path, onlyMethods("GET", "HEAD"));
  }
  app.notFound(() => {
    throw new NotFoundError("no such path");
  });
  app.onError(problems(onError, { bearerChallenge }));
  // Whoever mounts it has variables of its own.
  return app as unknown as Hono;
}
