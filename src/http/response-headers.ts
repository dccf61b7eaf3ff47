import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";

/**
 * `Cross-Origin-Resource-Policy` is about pages that embed without asking; CORS is not touched by it.
 * No `Strict-Transport-Security`: this service speaks HTTP, where that has no meaning (RFC 6797, section 7.2); whoever
 * adds TLS knows for how long.
 */
const secure = secureHeaders({
  referrerPolicy: "no-referrer",
  xContentTypeOptions: true,
  crossOriginResourcePolicy: "same-origin",
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
  strictTransportSecurity: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xFrameOptions: false,
  xPermittedCrossDomainPolicies: false,
  xXssProtection: false,
  removePoweredBy: false,
  // A page's own go first.
  overwrite: false,
});

/** What is no page is none when somebody opens it as one either. Pages bring policies of their own. */
const notAPage: MiddlewareHandler = async (c, next) => {
  await next();
  if (c.res.headers.get("Content-Type")?.startsWith("text/html")) return;
  c.header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
};

/** Answers may hold a seed or a JWT: nobody stores them, and nobody guesses another type for them. */
const noStore: MiddlewareHandler = async (c, next) => {
  await next();
  c.header("Cache-Control", "no-store");
};

export const responseHeaders = [secure, notAPage, noStore] as const;
