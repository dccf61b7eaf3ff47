import { CredentialError, UnauthorizedError } from "../errors.ts";
import type { CredentialSource, CredsResponse } from "./credential.ts";

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
  /** Returns the user's access token. Called for each request; sent as `Authorization: Bearer …` (RFC 6750). */
  readonly token?: () => string | Promise<string>;
}

/**
 * A source that requests credentials from a mint. The source throws
 * - {@link UnauthorizedError} on status 401 and 403;
 * - {@link CredentialError} `unavailable` if there is no response, or another status than 2xx, with the milliseconds of
 *   `Retry-After` (RFC 9110, section 10.2.3);
 * - what `token` throws, and `SyntaxError` if the response is not JSON.
 */
export function credentials({ url, token, ...fields }: Endpoint): CredentialSource {
  return async ({ publicKey, signal }) => {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) headers.Authorization = `Bearer ${await token()}`;
    const body = JSON.stringify({ ...fields, public_key: publicKey });
    const response = await fetch(url, { method: "POST", headers, body, signal }).catch(() => {
      throw new CredentialError("unavailable", `no response from ${url}`);
    });
    if (response.ok) return response.json() as Promise<CredsResponse>;
    // A problem document: RFC 9457.
    const { status, statusText } = response;
    const problem = (await response.json().catch(() => {})) as { detail?: string } | null | undefined;
    const message = `${status}: ${problem?.detail ?? statusText}`;
    if (status === 401 || status === 403) throw new UnauthorizedError(message);
    throw new CredentialError("unavailable", message, { retryAfter: readRetryAfter(response) });
  };
}

/** `Retry-After` in milliseconds; the header has seconds or a date. Negative for a past date, NaN without the header. */
function readRetryAfter({ headers }: Response): number {
  const value = headers.get("Retry-After") ?? "";
  return Number(value) * 1000 || Date.parse(value) - Date.now();
}
