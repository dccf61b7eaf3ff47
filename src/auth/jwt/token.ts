import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from "jose";
import { TokenExpiredError, UnauthorizedError, type UnauthorizedReason } from "../../core/errors.ts";
import { ALGORITHMS, hasUrlScheme, type OidcIssuer } from "../../core/policy/issuer.ts";
import { quote } from "../../util/quote.ts";
import { algorithmName, type KeyHeader } from "./key-set.ts";
import { oneOf, show } from "./show.ts";

/** Checks on a token before and after its signature is verified. RFC 7519, 8725 and 9068; OpenID Connect Core. */

/** Seconds by which the issuer's clock may be ahead of ours. */
export const CLOCK_SKEW = 30;

/** OpenID Connect Core, section 2. */
const MAX_SUBJECT_LENGTH = 255;

/** Access tokens (RFC 9068) and ID tokens. Logout tokens, DPoP proofs and the like prove no identity. */
const TYPES = ["jwt", "at+jwt"];

/** Unused bits must be zero; otherwise one token would have several spellings. */
const BASE64URL = "(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?";
const SIGNED_PARTS = 3;
const ENCRYPTED_PARTS = 5;
const JWT = new RegExp(`^(?!\\.)${BASE64URL}\\.${BASE64URL}\\.${BASE64URL}$`);

/** What a token says about itself before it is verified. None of it is proved. */
export interface Peeked {
  readonly issuer: string;
  readonly header: KeyHeader;
  readonly claims: JWTPayload;
}

/**
 * Reads issuer and header of a token that is not verified yet, and refuses a token that is invalid whatever key signed
 * it.
 * @param now seconds since the epoch
 * @throws {TokenExpiredError}
 * @throws {UnauthorizedError} `malformed`, `algorithm_not_allowed`, `wrong_type` or `missing_claim`
 */
export function peek(token: string, now: number): Peeked {
  const { header, claims } = decode(token);
  const { alg, kid, typ, cty } = header;
  if (typeof alg !== "string") throw algorithmNotAllowed(alg, ALGORITHMS);
  checkAlgorithm(alg, ALGORITHMS);
  if (kid !== undefined && typeof kid !== "string") {
    throw refused("malformed", `the token's key name (kid) is ${show(kid)}, wanted a text`);
  }
  // No extension is understood. RFC 7797, section 7: a JWT may not have an unencoded payload.
  if (Object.hasOwn(header, "crit") || Object.hasOwn(header, "b64")) {
    throw refused("malformed", "the token needs an extension (crit) that is not supported");
  }
  if (cty !== undefined) {
    throw refused(
      "wrong_type",
      `the token's content is not a set of claims: its cty is ${show(cty)}, wanted none`,
    );
  }
  if (typ !== undefined && !isAllowedType(typ)) {
    throw refused(
      "wrong_type",
      `the token is not an access token or an ID token: its typ is ${show(typ)}, wanted JWT, at+jwt or none`,
    );
  }
  if (typeof claims.iss !== "string" || claims.iss === "") throw unusable("iss", claims.iss, "a text");
  // Checked again after verification. Here it avoids fetching keys for a token that has expired.
  if (typeof claims.exp === "number" && claims.exp <= now) throw expired(claims.exp, now);
  return { issuer: claims.iss, header: { alg, kid }, claims };
}

/** @throws {UnauthorizedError} `algorithm_not_allowed` */
export function checkAlgorithm(alg: string, allowed: readonly string[]): void {
  const name = algorithmName(alg);
  if (!(ALGORITHMS as readonly string[]).includes(alg)) throw algorithmNotAllowed(alg, allowed);
  if (!allowed.some((one) => algorithmName(one) === name)) throw algorithmNotAllowed(alg, allowed);
}

/**
 * Checks that a verified token is for this service. RFC 7519, section 4.1.3: a token whose `aud` names others must be
 * refused, also where another claim holds the audience.
 * @throws {UnauthorizedError} `missing_claim` or `wrong_audience`
 */
export function checkAudience(
  claims: JWTPayload,
  { audience, audienceClaim = "aud" }: Pick<OidcIssuer, "audience" | "audienceClaim">,
): void {
  // JavaScript callers may pass one audience as a string.
  const wanted = [audience].flat();
  if (!Object.hasOwn(claims, audienceClaim)) throw noAudience(claims, audienceClaim);
  for (const claim of new Set([audienceClaim, "aud"])) {
    if (!Object.hasOwn(claims, claim)) continue;
    const value = claims[claim];
    if ([value].flat().some((one) => typeof one === "string" && wanted.includes(one))) continue;
    throw refused(
      "wrong_audience",
      `the token is not for this service: its ${claim} is ${show(value)}, wanted ${oneOf(wanted)}`,
    );
  }
}

/** Some providers name the client in place of the audience. */
function noAudience(claims: JWTPayload, audienceClaim: string): UnauthorizedError {
  const other = ["client_id", "azp"].find((claim) => audienceClaim === "aud" && Object.hasOwn(claims, claim));
  const hint = other
    ? `; it has ${other} ${show(claims[other])}, which audience_claim can accept instead`
    : "";
  return refused("missing_claim", `the token's claim "${audienceClaim}" is missing${hint}`);
}

/**
 * Checks the claims of a verified token against the rules of this service, which the JWT library doesn't know.
 * @param now seconds since the epoch
 * @returns the identity's subject, and its expiry in seconds since the epoch
 * @throws {TokenExpiredError}
 * @throws {UnauthorizedError} `missing_claim`, `not_yet_valid`, `wrong_type` or `sender_constrained`
 */
export function checkClaims(claims: JWTPayload, now: number): { subject: string; expiresAt: number } {
  const { exp, iat } = claims;
  const subject = readSubject(claims.sub);
  // `1e400` is JSON, and infinite.
  if (typeof exp !== "number" || !Number.isFinite(exp)) throw unusable("exp", exp, "a number of seconds");
  if (exp <= now) throw expired(exp, now);
  if (iat !== undefined && iat > now + CLOCK_SKEW) throw notYetValid("iat", iat, now);
  // OpenID Connect Back-Channel Logout, section 2.4, and RFC 8417.
  if (Object.hasOwn(claims, "events")) {
    throw refused("wrong_type", "the token reports an event and is no proof of identity");
  }
  // RFC 9449 and 8705: the sender must also prove to have the token's key, which this service can't verify.
  if (Object.hasOwn(claims, "cnf")) {
    throw refused(
      "sender_constrained",
      "the token is bound to a key (cnf) and can't be used as a Bearer token",
    );
  }
  return { subject, expiresAt: exp };
}

function readSubject(sub: unknown): string {
  if (typeof sub !== "string" || sub === "") throw unusable("sub", sub, "a text that is not empty");
  if (sub.length > MAX_SUBJECT_LENGTH) {
    throw unusable("sub", sub, `at most ${MAX_SUBJECT_LENGTH}`, `a text of ${sub.length} characters`);
  }
  // Half a surrogate pair has no form in UTF-8, so two such subjects could become the same.
  if (!sub.isWellFormed()) throw unusable("sub", sub, "a text", "not valid Unicode");
  return sub;
}

/**
 * The error to throw for an error of the JWT library, whose own message may quote the token. Other errors stay.
 * @param now seconds since the epoch
 */
export function unauthorized(error: unknown, now: number): unknown {
  if (error instanceof errors.JWTExpired) return expired(error.payload.exp as number, now);
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason, payload } = error;
    if (reason === "missing" || reason === "invalid")
      return unusable(claim, payload[claim], "a number of seconds");
    if (claim === "nbf") return notYetValid("nbf", payload.nbf as number, now);
    return refused("malformed", "the token's claims are not valid");
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refused(
      "bad_signature",
      "the token's signature is not valid: it was changed, or signed with another key than its issuer's",
    );
  }
  if (error instanceof errors.JOSEError) return notAJwt("its header or claims can't be read");
  return error;
}

const algorithmNotAllowed = (alg: unknown, allowed: readonly string[]) =>
  refused(
    "algorithm_not_allowed",
    `the token is signed with an algorithm that is not allowed: its alg is ${show(alg)}, wanted ${allowed.join(", ")}`,
  );

/** The error for an expired token. */
export const expired = (exp: number, now: number) =>
  new TokenExpiredError(
    `the token has expired${Number.isFinite(exp) ? `, ${Math.ceil(now - exp)} s ago` : ""}`,
  );

/** A name that is a URL or a host's. Other text may be anything, even a secret. */
const isPublicName = (issuer: string) => hasUrlScheme(issuer) || /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(issuer);

/**
 * The error for a token of an issuer that is not configured.
 * @param trusted the names of those that are: one is shown if it is the same but for case or a slash at the end
 */
export function unknownIssuer(issuer: string, trusted: Iterable<string>): UnauthorizedError {
  const plain = (name: string) => name.toLowerCase().replace(/\/$/, "");
  const came = plain(issuer);
  const similar = [...trusted].find((name) => plain(name) === came);
  const shown = isPublicName(issuer) ? `: ${show(issuer)}` : "";
  const hint = similar === undefined ? "" : `; ${quote(similar)} is, which is spelled differently`;
  return refused("unknown_issuer", `the token is from an issuer that is not trusted here${shown}${hint}`);
}

function refused(reason: UnauthorizedReason, message: string): UnauthorizedError {
  return new UnauthorizedError(message, reason);
}

/** @param is the value for the message */
function unusable(claim: string, value: unknown, wanted: string, is = show(value)): UnauthorizedError {
  const message = value === undefined ? "is missing" : `is ${is}, wanted ${wanted}`;
  return refused("missing_claim", `the token's claim "${claim}" ${message}`);
}

function notYetValid(claim: string, time: number, now: number): UnauthorizedError {
  const ahead = Number.isFinite(time) ? ` by ${Math.ceil(time - now)} s` : "";
  return refused(
    "not_yet_valid",
    `the token is not valid yet: its ${claim} is ahead of this service's clock${ahead}, at most ${CLOCK_SKEW} s are accepted`,
  );
}

const notAJwt = (why: string) => refused("malformed", `the token is not a signed JWT: ${why}`);

function decode(token: string): { header: Record<string, unknown>; claims: JWTPayload } {
  const parts = token.split(".").length;
  if (parts === ENCRYPTED_PARTS) {
    throw notAJwt(
      "it is encrypted (JWE), so that only its issuer can read it. Request a token for an audience",
    );
  }
  if (parts !== SIGNED_PARTS) throw notAJwt(`it has ${parts} parts between dots, wanted ${SIGNED_PARTS}`);
  // A token with an empty signature passes here, and is refused for its algorithm.
  if (!JWT.test(token)) throw notAJwt("a part of it is not base64url");
  try {
    return { header: { ...decodeProtectedHeader(token) }, claims: decodeJwt(token) };
  } catch {
    throw notAJwt("its header or claims are not a JSON object");
  }
}

/** RFC 7515, section 4.1.9: a media type in upper or lower case, of which `application/` may be left out. */
const isAllowedType = (typ: unknown) =>
  typeof typ === "string" && TYPES.includes(typ.toLowerCase().replace(/^application\//, ""));
