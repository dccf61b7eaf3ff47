import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from "jose";
import { UnauthorizedError, type UnauthorizedReason } from "../../core/errors.ts";
import { ALGORITHMS, hasUrlScheme } from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";

/** Checks on a token before and after its signature is verified. RFC 7519, 8725 and 9068; OpenID Connect Core. */

/** Seconds by which the issuer's clock may be ahead of ours. */
export const CLOCK_SKEW = 30;

/** OpenID Connect Core, section 2. */
const MAX_SUBJECT_LENGTH = 255;

/** Access tokens (RFC 9068) and ID tokens. Logout tokens, DPoP proofs and the like prove no identity. */
const TYPES = ["jwt", "at+jwt"];

/** Unused bits must be zero; otherwise one token would have several spellings. */
const BASE64URL = "(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?";
const JWT = new RegExp(`^(?!\\.)${BASE64URL}\\.${BASE64URL}\\.${BASE64URL}$`);

/**
 * Reads the issuer of a token that is not verified yet, and refuses a token that is invalid whatever key signed it. The
 * issuer is not proved by that.
 * @param now seconds since the epoch
 * @returns the token's `iss`
 * @throws {UnauthorizedError} `malformed`, `algorithm_not_allowed`, `wrong_type`, `missing_claim` or `expired`
 */
export function peekIssuer(token: string, now: number): string {
  const { header, claims } = decode(token);
  const { alg, kid, typ, cty } = header;
  if (typeof alg !== "string" || !(ALGORITHMS as readonly string[]).includes(alg))
    throw algorithmNotAllowed();
  if (kid !== undefined && typeof kid !== "string") {
    throw refused("malformed", "the token's key name (kid) is not a string");
  }
  // No extension is understood. RFC 7797, section 7: a JWT may not have an unencoded payload.
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) {
    throw refused("malformed", "the token needs an extension that is not supported");
  }
  if (cty !== undefined) throw refused("wrong_type", "the token's content is not a set of claims");
  if (typ !== undefined && !isAllowedType(typ)) {
    throw refused("wrong_type", "the token is not an access token or an ID token");
  }
  if (typeof claims.iss !== "string" || claims.iss === "") throw missing("iss");
  // Checked again after verification. Here it avoids fetching keys for a token that has expired.
  if (typeof claims.exp === "number" && claims.exp <= now) throw expired();
  return claims.iss;
}

/**
 * Checks the claims of a verified token against the rules of this service, which the JWT library doesn't know.
 * @param now seconds since the epoch
 * @returns the identity's subject, and its expiry in seconds since the epoch
 * @throws {UnauthorizedError} `missing_claim`, `expired`, `not_yet_valid`, `wrong_type` or `sender_constrained`
 */
export function checkClaims(claims: JWTPayload, now: number): { subject: string; expiresAt: number } {
  const { sub, exp, iat } = claims;
  // Half a surrogate pair has no form in UTF-8, so two such subjects could become the same.
  const isSubject =
    typeof sub === "string" && sub !== "" && sub.length <= MAX_SUBJECT_LENGTH && sub.isWellFormed();
  if (!isSubject) throw missing("sub");
  // `1e400` is JSON, and infinite.
  if (typeof exp !== "number" || !Number.isFinite(exp)) throw missing("exp");
  if (exp <= now) throw expired();
  if (iat !== undefined && iat > now + CLOCK_SKEW) throw notYetValid();
  // OpenID Connect Back-Channel Logout, section 2.4, and RFC 8417.
  if (Object.hasOwn(claims, "events")) {
    throw refused("wrong_type", "the token reports an event and is no proof of identity");
  }
  // RFC 9449 and 8705: the sender must also prove to have the token's key, which this service can't verify.
  if (Object.hasOwn(claims, "cnf")) {
    throw refused("sender_constrained", "the token is bound to a key and can't be used as a Bearer token");
  }
  return { subject: sub, expiresAt: exp };
}

/** The error to throw for an error of the JWT library, whose own message may quote the token. Other errors stay. */
export function unauthorized(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return expired();
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === "missing" || error.reason === "invalid") return missing(error.claim);
    if (error.claim === "aud") {
      return refused("wrong_audience", "the token is not for this service: its audience is another");
    }
    if (error.claim === "nbf") return notYetValid();
    return refused("malformed", "the token's claims are not valid");
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return algorithmNotAllowed();
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refused("bad_signature", "the token's signature is not valid");
  }
  if (error instanceof errors.JOSEError) return notAJwt();
  return error;
}

const algorithmNotAllowed = () =>
  refused("algorithm_not_allowed", "the token is signed with an algorithm that is not allowed");

/** The error for an expired token. */
export const expired = () => refused("expired", "the token has expired");

/** The error for a token of an issuer that is not configured. */
export const unknownIssuer = (issuer: string) =>
  refused(
    "unknown_issuer",
    // Only a URL is shown: other text may be anything, even a secret.
    `the token is from an issuer that is not trusted here${hasUrlScheme(issuer) ? `: ${quote(issuer)}` : ""}`,
  );

function refused(reason: UnauthorizedReason, message: string): UnauthorizedError {
  return new UnauthorizedError(message, reason);
}

const missing = (claim: string) =>
  refused("missing_claim", `the token's claim "${claim}" is missing or can't be used`);

const notYetValid = () => refused("not_yet_valid", "the token is not valid yet");

const notAJwt = () => refused("malformed", "the token is not a signed JWT");

function decode(token: string): { header: Record<string, unknown>; claims: JWTPayload } {
  // A token with an empty signature passes here, and is refused for its algorithm.
  if (!JWT.test(token)) throw notAJwt();
  try {
    return { header: { ...decodeProtectedHeader(token) }, claims: decodeJwt(token) };
  } catch {
    throw notAJwt();
  }
}

/** RFC 7515, section 4.1.9: a media type in upper or lower case, of which `application/` may be left out. */
const isAllowedType = (typ: unknown) =>
  typeof typ === "string" && TYPES.includes(typ.toLowerCase().replace(/^application\//, ""));
