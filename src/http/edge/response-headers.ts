/**
 * Headers of every response. A response may contain a seed or a JWT, so browsers must not store it, guess another type
 * for it or embed it in a page of another origin (CORS is not affected by that). There is no
 * `Strict-Transport-Security`: it has no meaning over HTTP (RFC 6797, section 7.2), and is for the proxy that adds TLS.
 */
const EVERY_RESPONSE = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** The policy of a response that is not a page, in case a browser opens it as one. Pages set their own policies. */
const NO_PAGE = { "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'" };

/**
 * Makes a function that makes responses with status 200 which are not pages.
 * @param own their headers, besides those of every response
 */
export function respondWith(own: Readonly<Record<string, string>>): (body: string) => Response {
  // `Response` copies them, which takes half as long as reading an object.
  const headers = new Headers({ ...EVERY_RESPONSE, ...NO_PAGE, ...own });
  const init = { headers };
  return (body) => new Response(body, init);
}

/** Adds the headers of every response to one that was made without them. */
export function complete(response: Response): Response {
  const { headers } = response;
  setAll(headers, EVERY_RESPONSE);
  if (!headers.get("Content-Type")?.startsWith("text/html")) setAll(headers, NO_PAGE);
  // Also for origins that are not allowed: a cache must not give their response to a page of an allowed origin.
  if (!/\bOrigin\b/.test(headers.get("Vary") ?? "")) headers.append("Vary", "Origin");
  return response;
}

function setAll(headers: Headers, values: Readonly<Record<string, string>>): void {
  for (const name in values) headers.set(name, values[name] as string);
}
