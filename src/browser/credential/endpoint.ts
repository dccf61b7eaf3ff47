import { CredentialError, UnauthorizedError } from "../errors.ts";
import type { CredentialRequest, CredentialSource, CredsResponse } from "./credential.ts";

/** A mint's `POST /creds`, and what to request there. */
export interface Endpoint {
  /** The address of `POST /creds`. */
  readonly url: string | URL;
  /** The requested role. The mint's policy decides. */
  readonly role?: string;
  /** The user's name. Only for a mint that accepts names without proof (`MINT_AUTH=dev`). */
  readonly user?: string;
  /** Names and values for roles that use tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The requested lifetime, in seconds. */
  readonly ttl?: number;
  /**
   * Returns the user's access token. Called for each request; sent as `Authorization: Bearer …` (RFC 6750). It throws
   * `UnauthorizedError` if the user must log in again; after any other error it is called again.
   */
  readonly token?: (request: TokenRequest) => string | Promise<string>;
}

export interface TokenRequest {
  /**
   * The last token was refused, or ends no later than the current credential. So this must be a new one of the issuer, not
   * one of a cache.
   */
  readonly fresh: boolean;
}

/** A problem document: RFC 9457. */
interface Problem {
  readonly detail?: string;
  readonly code?: string;
}

/** What only pages and workers have. */
interface PageGlobals {
  readonly location?: { readonly href: string; readonly origin: string };
  readonly navigator?: { readonly onLine?: boolean };
}

/**
 * A source that requests credentials from a mint. If a token is refused, or gives nothing new, it requests again with a
 * fresh one. The source throws
 * - {@link UnauthorizedError} on status 403, and on 401 with a fresh token or without one;
 * - {@link CredentialError} `unavailable` if there is no response, or another status than 2xx, with the milliseconds of
 *   `Retry-After` (RFC 9110, section 10.2.3);
 * - what `token` throws, and `SyntaxError` if the response is not JSON.
 */
export function credentials({ url, token, ...fields }: Endpoint): CredentialSource {
  /** Whether the next token must be fresh. */
  let fresh = false;
  /** The `expires_at` of the last credential; NaN before the first. */
  let end = NaN;

  /** Sends one request. Resolves with undefined if a fresh token may be accepted in place of the one that was refused. */
  async function request({ publicKey, signal }: CredentialRequest): Promise<CredsResponse | undefined> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${await token({ fresh })}`;
    const body = JSON.stringify({ ...fields, public_key: publicKey });
    const response = await fetch(url, { method: "POST", headers, body, signal }).catch((cause) => {
      throw new CredentialError("unavailable", describeFailure(url), { cause });
    });
    if (response.ok) {
      fresh = false;
      return response.json() as Promise<CredsResponse>;
    }
    const { status, statusText } = response;
    const problem = (await response.json().catch(() => {})) as Problem | null | undefined;
    if (status === 401 && token && !fresh) return;
    const message = `${status}: ${problem?.detail ?? statusText}`;
    // At the first request, an expired token was stored by an earlier login: only a new login helps.
    const retriable = end ? /^token_expir/ : /^token_expiring/;
    if (status === 401 || status === 403)
      throw new UnauthorizedError(message, retriable.test(problem?.code as string));
    throw new CredentialError("unavailable", message, { retryAfter: readRetryAfter(response) });
  }

  return async (parameters) => {
    let creds = await request(parameters);
    if (token && !fresh && (!creds || (creds.expires_at as number) <= end)) {
      fresh = true;
      creds = await request(parameters).catch((error) => {
        if (creds) return creds;
        throw error;
      });
    }
    end = creds?.expires_at as number;
    return creds as CredsResponse;
  };
}

/**
 * What a page can know of a request without a response: a browser does not tell scripts that it was blocked by CORS, which
 * concerns other origins only. (A request in the mode `no-cors` would not show it: the mint's responses are same-origin.)
 */
function describeFailure(url: string | URL): string {
  const { location, navigator } = globalThis as PageGlobals;
  const mayBeBlocked =
    location && navigator?.onLine && new URL(url, location.href).origin !== location.origin;
  return `no response from ${url}${mayBeBlocked ? `: not reachable, or CORS does not allow ${location.origin}` : ""}`;
}

/** `Retry-After` in milliseconds; the header has seconds or a date. Negative for a past date, NaN without the header. */
function readRetryAfter({ headers }: Response): number {
  const value = headers.get("Retry-After") ?? "";
  return Number(value) * 1000 || Date.parse(value) - Date.now();
}
