import type { Context } from "hono";
import { matchedRoutes } from "hono/route";

/**
 * What every answer says to a browser. Answers may hold a seed or a JWT: nobody stores them, nobody guesses another type
 * for them, and no page embeds them without asking (CORS is not touched by that). No `Strict-Transport-Security`: this
 * service speaks HTTP, where it has no meaning (RFC 6797, section 7.2); whoever adds TLS knows for how long.
 */
const EVERY_ANSWER = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** What is no page is none when somebody opens it as one either. Pages bring policies of their own. */
const NO_PAGE = { "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'" };

/**
 * Makes answers that are no pages.
 * @param own the headers that they have beside those of every answer
 */
export function respondWith(own: Readonly<Record<string, string>>): (c: Context, body: string) => Response {
  const all = { ...EVERY_ANSWER, ...NO_PAGE, ...own };
  const ready = new Headers(all);
  return (c, body) => {
    // Where no other handler was on the way, nobody has set a header that is to be kept: to copy them all is quicker.
    const isAlone = matchedRoutes(c).length === 1;
    return isAlone ? new Response(body, { headers: new Headers(ready) }) : c.body(body, 200, all);
  };
}

/** Adds them to an answer that was made without. */
export function addResponseHeaders(headers: Headers): void {
  setAll(headers, EVERY_ANSWER);
  if (!headers.get("Content-Type")?.startsWith("text/html")) setAll(headers, NO_PAGE);
}

function setAll(headers: Headers, values: Readonly<Record<string, string>>): void {
  for (const name in values) headers.set(name, values[name] as string);
}
