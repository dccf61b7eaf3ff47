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
 * Scheme in lower case, then host and port, then a path, in the characters of RFC 3986. A URL parser accepts more, and
 * changes it (`HTTPS:`, a backslash) or leaves it out (an empty user, a tab): no token could have that in its `iss`.
 */
const ISSUER_URL = /^https?:\/\/[\w.~%:[\]-]+(\/[\w.~%:/@!$&'()*+,;=-]*)?$/;

/**
 * Whether the text is an issuer's URL: `https`, or `http` on this machine, without user, query and fragment (OpenID
 * Connect Discovery 1.0, section 4). Case of the host, a default port and a slash at the end are left as they are: `iss`
 * is compared character by character, and there are issuers that write these.
 */
export function isIssuerUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || !ISSUER_URL.test(text)) return false;
  return url.protocol === "https:" || LOOPBACK.test(url.hostname);
}

/** What an issuer's URL has to be, for a text that is none; with the form to write if there is one. */
export function describeIssuerUrl(text: string): string {
  const rule =
    "an https URL (http on localhost) as the `iss` of its tokens has it, without user, query and fragment";
  const url = URL.parse(text);
  if (!url) return rule;
  const path = url.pathname === "/" && !text.endsWith("/") ? "" : url.pathname;
  const form = `${url.protocol}//${url.host}${path}`;
  return isIssuerUrl(form) ? `${rule}: ${form}` : rule;
}

/** Whether an identity's `issuer` is a URL, and so an OpenID issuer: `isIssuerUrl` accepts no other text. */
export const hasUrlScheme = (issuer: string): boolean => /^https?:\/\//.test(issuer);

/** As an issuer's, but it may have a query: Azure AD B2C names the user flow there. */
export function isKeySetUrl(text: string): boolean {
  const [beforeQuery = ""] = text.split("?");
  return isIssuerUrl(beforeQuery) && !/[#\s]/.test(text);
}
