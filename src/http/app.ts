import { type Context, Hono } from "hono";
import { requestId } from "hono/request-id";
import type { Decision } from "../core/decision.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Mint } from "../core/mint.ts";
import { cors } from "./cors.ts";
import { type CredsOptions, creds } from "./creds.ts";
import { decisions, type Trail } from "./decisions.ts";
import { healthz, readyz } from "./health.ts";
import { onlyMethods } from "./only-methods.ts";
import { problems } from "./problems.ts";
import { readJson } from "./read-json.ts";
import { responseHeaders } from "./response-headers.ts";

export interface AppOptions extends Omit<CredsOptions, "mint"> {
  /** The mint, or a function that gives the present one and throws `KeysUnavailableError` while there is none. */
  readonly mint: Mint | (() => Mint);
  /** Origins of pages that may ask from elsewhere (`https://app.example.com`), compared exactly. None by default. */
  readonly allowedOrigins?: readonly string[];
  /** The address of the client, or of the proxy before it, as the runtime knows it. */
  readonly peerAddress?: (c: Context) => string | undefined;
  /** Told of each answer to a request for a credential. */
  readonly onDecision?: (decision: Decision) => void;
  /** Told of an error that nobody expected; the caller only gets a 500. Prints it to stderr by default. */
  readonly onError?: (error: unknown) => void;
}

/**
 * The mint over HTTP: `POST /creds`, `GET /healthz`, `GET /readyz`. Serve it, or mount it in another Hono application
 * with `app.route("/nats", createApp({ … }))`; paths it doesn't know are then the other application's to answer.
 */
export function createApp(options: AppOptions): Hono {
  const {
    mint,
    allowedOrigins = [],
    peerAddress = () => undefined,
    onDecision = () => {},
    onError = (error) => console.error("unexpected error:", error),
  } = options;
  const currentMint = typeof mint === "function" ? mint : () => mint;

  const app = new Hono<Trail>();
  app.use(requestId());
  app.use(responseHeaders);
  app.use(async (c, next) => {
    c.set("address", peerAddress(c));
    await next();
  });
  app.use(cors(allowedOrigins));

  app.post("/creds", decisions(onDecision), ...readJson, creds({ ...options, mint: currentMint }));
  app.get("/healthz", healthz);
  app.get("/readyz", readyz(currentMint));

  app.all("/creds", onlyMethods("POST"));
  app.all("/healthz", onlyMethods("GET", "HEAD"));
  app.all("/readyz", onlyMethods("GET", "HEAD"));
  app.notFound(() => {
    throw new NotFoundError("no such path");
  });
  app.onError(problems(onError));
  // Whoever mounts it has variables of its own.
  return app as unknown as Hono;
}
