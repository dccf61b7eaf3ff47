import type { CredentialSource, Credentials } from "./credential.ts";
import { SessionError, UnauthorizedError } from "./errors.ts";

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
}

/**
 * Credentials from a mint. 401 and 403 are final (`UnauthorizedError`); all else may heal (`SessionError` with code
 * `unavailable`), not before `Retry-After` (RFC 9110, section 10.2.3).
 */
export function credentials({ url, token, ...asked }: Endpoint): CredentialSource {
  return async ({ publicKey, signal }) => {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${await token()}`;
    const body = JSON.stringify({ ...asked, public_key: publicKey });
    const answer = await fetch(url, { method: "POST", headers, body, signal }).catch(() => {
      throw new SessionError("unavailable", `no answer from ${url}`);
    });
    if (answer.ok) return (await answer.json()) as Credentials;
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string };
    const { status } = answer;
    const message = `${status}: ${problem.detail ?? answer.statusText}`;
    if (status === 401 || status === 403) throw new UnauthorizedError(message);
    throw new SessionError("unavailable", message, { retryAfter: retryAfter(answer) });
  };
}

/** Milliseconds; the header has seconds or a date. */
function retryAfter({ headers }: Response): number {
  const value = headers.get("Retry-After") ?? "";
  return Math.max(0, Number(value) * 1000 || Date.parse(value) - Date.now() || 0);
}
