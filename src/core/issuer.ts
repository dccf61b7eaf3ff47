/**
 * Signature algorithms with a public and a private half (RFC 7518, 8037, 9864). A shared secret could be the issuer's
 * public key.
 */
export const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/** An OpenID issuer whose tokens are believed. */
export interface OidcIssuer {
  /** Its URL, compared with the token's `iss` character by character. */
  readonly issuer: string;
  /** The token's `aud` has to be, or to contain, one of these. */
  readonly audience: readonly string[];
  /** Signature algorithms that are believed, of `ALGORITHMS`; all of them by default. */
  readonly algorithms?: readonly string[];
  /** Where its keys are; found by discovery unless it is given. */
  readonly jwksUri?: string;
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * Whether the text is an issuer's URL: `https`, or `http` on this machine, without user, query and fragment (OpenID
 * Connect Discovery 1.0, section 4).
 */
export function isIssuerUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || /[?#\s]/.test(text) || url.username || url.password) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.test(url.hostname));
}

/** As an issuer's, but it may have a query: Azure AD B2C names the user flow there. */
export function isKeySetUrl(text: string): boolean {
  const [beforeQuery = ""] = text.split("?");
  return isIssuerUrl(beforeQuery) && !/[#\s]/.test(text);
}
