import type { CredentialSource, Credentials } from "./credential.ts";
import { RefusedError, UnauthorizedError, UnavailableError } from "./errors.ts";

export interface Endpoint {
  /** The mint's `POST /creds`. */
  readonly url: string | URL;
  /** The role to ask for; the mint's policy has the last word. */
  readonly role?: string;
  /** Who is asking, where the mint takes a name for it (`dev`). */
  readonly user?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Seconds that the credential should live. */
  readonly ttl?: number;
  /** The proof of who is asking, fetched anew for each request: an access token. */
  readonly token?: () => string | Promise<string>;
  /** Whether cookies go along: `include` for a mint on another origin that knows a cookie. As `fetch` takes it. */
  readonly credentials?: RequestCredentials;
}

/**
 * Credentials from a mint. 401 and 403 are final (`UnauthorizedError`), other 4xx say that the request is wrong
 * (`RefusedError`), and all else may heal (`UnavailableError`), not before `Retry-After` (RFC 9110, section 10.2.3).
 */
export function credentials({ url, token, credentials: mode, ...asked }: Endpoint): CredentialSource {
  return async ({ publicKey, signal }) => {
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      Accept: "application/json",
    };
    if (token) headers.Authorization = `Bearer ${await token()}`;
    const body = JSON.stringify({ ...asked, public_key: publicKey });
    const answer = await fetch(url, {
      method: "POST",
      headers,
      body,
      signal,
      cache: "no-store",
      ...(mode && { credentials: mode }),
    });
    if (answer.ok) return (await answer.json()) as Credentials;
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string };
    const { status } = answer;
    const message = `${status}: ${problem.detail ?? problem.title ?? answer.statusText}`;
    if (status === 401 || status === 403) throw new UnauthorizedError(message);
    if (status < 500 && ![408, 425, 429].includes(status)) throw new RefusedError(message);
    throw new UnavailableError(message, { retryAfter: retryAfter(answer) });
  };
}

/** Milliseconds; the header has seconds or a date, which is one of the server's clock. */
function retryAfter({ headers }: Response): number {
  const value = headers.get("Retry-After") ?? "";
  const now = Date.parse(headers.get("Date") ?? "") || Date.now();
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Math.max(0, wait || 0);
}
