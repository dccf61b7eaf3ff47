import type { Brand } from "../util/brand.ts";
import { InvalidLifetimeError, TokenExpiredError, TokenExpiringError, UnauthorizedError } from "./errors.ts";

/** A lifetime in whole seconds, at least `MIN_LIFETIME`. */
export type Seconds = Brand<number, "Seconds">;

/** Seconds. In less time a client can't connect and renew its credential. */
export const MIN_LIFETIME = 10;

/** Seconds. A credential is short-lived because only expiry, or a revocation, ends the use of a stolen one. */
export const MAX_LIFETIME = 3600;

/**
 * Checks a requested lifetime.
 * @throws {InvalidLifetimeError} when it is not a whole number of seconds, or below 10
 */
export function parseLifetime(value: unknown): Seconds {
  if (Number.isSafeInteger(value) && (value as number) >= MIN_LIFETIME) return value as Seconds;
  throw new InvalidLifetimeError(`a lifetime is a whole number of seconds, at least ${MIN_LIFETIME}`);
}

/**
 * A credential's lifetime: the shortest of the role's `ttl`, the requested lifetime, and what is left of the proof.
 * @param left seconds until the proof expires; undefined for a proof without expiry
 * @throws {TokenExpiringError} when the proof expires in less than 10 s
 * @throws {TokenExpiredError} when it has expired
 * @throws {UnauthorizedError} when `left` is not a number
 */
export function boundedLifetime(
  role: Seconds,
  requested: Seconds | undefined,
  left: number | undefined,
): Seconds {
  const longest = Math.min(role, requested ?? role);
  if (left === undefined) return longest as Seconds;
  // Written so that NaN fails: a JWT with `"exp":null` would never expire.
  if (!(left >= MIN_LIFETIME)) throw tooLate(left);
  return Math.min(longest, Math.floor(left)) as Seconds;
}

function tooLate(left: number): UnauthorizedError {
  if (Number.isNaN(left))
    return new UnauthorizedError("the expiry of the proof is not a number", "malformed");
  if (left <= 0) return new TokenExpiredError("the proof of identity has expired: get a new one");
  return new TokenExpiringError(
    `the proof of identity expires in ${Math.floor(left)} s, and a credential needs ${MIN_LIFETIME} s: get a new one`,
  );
}
