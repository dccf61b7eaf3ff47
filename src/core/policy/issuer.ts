/**
 * The accepted signature algorithms, all asymmetric (RFC 7518, 8037, 9864). With HMAC, an attacker could sign a token
 * with the issuer's public key as the shared secret.
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

/** An OpenID issuer whose tokens are accepted. */
export interface OidcIssuer {
  /** Its URL, compared with the token's `iss` character by character. */
  readonly issuer: string;
  /** A token's `aud` must be, or contain, one of these. */
  readonly audience: readonly string[];
  /** The accepted signature algorithms, of `ALGORITHMS`; all of them by default. */
  readonly algorithms?: readonly string[];
  /** The URL of its key set; found by discovery by default. */
  readonly jwksUri?: string;
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * Scheme in lower case, then host and port, then a path, in the characters of RFC 3986. A URL parser accepts more,
 * which it changes (`HTTPS:`, a backslash) or removes (an empty user, a tab), so the result would not equal the `iss`.
 */
const ISSUER_URL = /^https?:\/\/[\w.~%:[\]-]+(\/[\w.~%:/@!$&'()*+,;=-]*)?$/;

/**
 * Whether the text is an issuer's URL: `https`, or `http` on this machine, without user, query and fragment (OpenID
 * Connect Discovery 1.0, section 4). The host's case, a default port and a slash at the end are left as they are: `iss`
 * is compared character by character, and some issuers have these in it.
 */
export function isIssuerUrl(text: string): boolean {
  const url = parseUrl(text);
  if (!url || !ISSUER_URL.test(text)) return false;
  return url.protocol === "https:" || LOOPBACK.test(url.hostname);
}

/**
 * The rule for an issuer's URL, for the error about a text that breaks it, with the corrected text where there is one.
 */
export function describeIssuerUrl(text: string): string {
  const rule =
    "an https URL (http on localhost) as the `iss` of its tokens has it, without user, query and fragment";
  const url = parseUrl(text);
  if (!url) return rule;
  const path = url.pathname === "/" && !text.endsWith("/") ? "" : url.pathname;
  const form = `${url.protocol}//${url.host}${path}`;
  return isIssuerUrl(form) ? `${rule}: ${form}` : rule;
}

/** Whether a text begins like an issuer's URL. */
export const hasUrlScheme = (issuer: string): boolean => /^https?:\/\//.test(issuer);

/**
 * Whether the text is a key set's URL: as an issuer's, but it may have a query, in which Azure AD B2C names the user
 * flow.
 */
export function isKeySetUrl(text: string): boolean {
  const [beforeQuery = ""] = text.split("?");
  return isIssuerUrl(beforeQuery) && !/[#\s]/.test(text);
}

/** `URL.parse`, which Node 20.12 does not have. */
const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);
