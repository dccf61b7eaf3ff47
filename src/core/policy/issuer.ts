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

/** The place of a tenant's name in the name of an issuer with tenants, as Entra ID's documents have it. */
export const TENANT = "{tenantid}";

/** An OpenID issuer whose tokens are accepted. */
export interface OidcIssuer {
  /** The `iss` of its tokens, compared character by character. With `tenants` it contains `{tenantid}`. */
  readonly issuer: string;
  /** A token's audience must be, or contain, one of these. */
  readonly audience: readonly string[];
  /**
   * The claim that contains the audience; `aud` by default. With another claim, the token must have that claim, and an
   * `aud` that is there too must also contain one of `audience`.
   */
  readonly audienceClaim?: string;
  /** The tenants whose names may stand in place of `{tenantid}`. */
  readonly tenants?: readonly string[];
  /** The accepted signature algorithms, of `ALGORITHMS`; all of them by default. */
  readonly algorithms?: readonly string[];
  /** The URL of its discovery document; by default under its name. */
  readonly discoveryUrl?: string;
  /** The name that its discovery document gives itself, where that is not `issuer`. */
  readonly discoveryIssuer?: string;
  /** The URL of its key set; found by discovery by default. */
  readonly jwksUri?: string;
}

/** The values of `iss` that an issuer's tokens may have. */
export function issuerNames({
  issuer,
  tenants,
}: {
  readonly issuer: string;
  readonly tenants?: readonly string[] | undefined;
}): readonly string[] {
  return tenants ? tenants.map((tenant) => issuer.replace(TENANT, () => tenant)) : [issuer];
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * Scheme in lower case, then host and port, then a path, in the characters of RFC 3986. A URL parser accepts more,
 * which it changes (`HTTPS:`, a backslash) or removes (an empty user, a tab), so the result would not equal the `iss`.
 */
const ISSUER_URL = /^https?:\/\/[\w.~%:[\]-]+(\/[\w.~%:/@!$&'()*+,;=-]*)?$/;

/** A name that is no URL, such as `accounts.google.com` or `urn:example:login`. */
const ISSUER_WORD = /^(?!https?:)[\w.~:@!$&'()*+,;=-][\w.~%:@!$&'()*+,;=/-]{0,254}$/i;

/** The variable that sets `allowHttp`, for messages. */
export const ALLOW_HTTP = "OIDC_ALLOW_HTTP";

/** How the keys of an issuer may be fetched. */
export interface Transport {
  /** Whether plain http is accepted for other hosts than this machine. The keys can then be replaced on their way. */
  readonly allowHttp?: boolean | undefined;
}

/**
 * Whether the text is an issuer's URL at which its keys can be looked up: `https`, or `http` on this machine, without
 * user, query and fragment (OpenID Connect Discovery 1.0, section 4). The host's case, a default port and a slash at the
 * end are left as they are: `iss` is compared character by character, and some issuers have these in it.
 */
export function isIssuerUrl(text: string, { allowHttp = false }: Transport = {}): boolean {
  const url = parseUrl(text);
  if (!url || !ISSUER_URL.test(text)) return false;
  return url.protocol === "https:" || allowHttp || LOOPBACK.test(url.hostname);
}

/**
 * Whether the text can be an issuer's name: a URL in the form that a token's `iss` has, also with plain `http`, or a
 * word without spaces. It proves nothing about where the issuer's keys are.
 */
export const isIssuerName = (text: string): boolean =>
  isIssuerUrl(text, { allowHttp: true }) || ISSUER_WORD.test(text);

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
  return isIssuerUrl(form) && form !== text ? `${rule}: ${form}` : rule;
}

/** Whether a text begins like an issuer's URL. */
export const hasUrlScheme = (issuer: string): boolean => /^https?:\/\//.test(issuer);

/**
 * Whether the text is a key set's URL: as an issuer's, but it may have a query, in which Azure AD B2C names the user
 * flow.
 */
export function isKeySetUrl(text: string, transport?: Transport): boolean {
  const [beforeQuery = ""] = text.split("?");
  return isIssuerUrl(beforeQuery, transport) && !/[#\s]/.test(text);
}

/** `URL.parse`, which Node 20.12 does not have. */
const parseUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);
