import type { Brand } from "../util/brand.ts";
import { InvalidLifetimeError, UnauthorizedError } from "./errors.ts";

/** A lifetime in whole seconds, at least `MIN_LIFETIME`. */
export type Seconds = Brand<number, "Seconds">;

/** Below this a client can't fetch, connect and plan its renewal. */
export const MIN_LIFETIME = 10;

/** Above this a credential is no longer short-lived: a stolen one can't be called back but by revocation. */
export const MAX_LIFETIME = 3600;

/**
 * Checks a lifetime that was asked for.
 * @throws {InvalidLifetimeError} when it is not a whole number of seconds, or below 10
 */
export function parseLifetime(value: unknown): Seconds {
  if (Number.isSafeInteger(value) && (value as number) >= MIN_LIFETIME) return value as Seconds;
  throw new InvalidLifetimeError(`a lifetime is a whole number of seconds, at least ${MIN_LIFETIME}`);
}

/**
 * How long a credential lives: the least of the role's `ttl`, what was asked, and what is left of the caller's proof.
 * @param left seconds until the proof ends, if it ends
 * @throws {UnauthorizedError} when the proof ends in less than 10 s, or its end is not a number
 */
export function boundedLifetime(
  role: Seconds,
  asked: Seconds | undefined,
  left: number | undefined,
): Seconds {
  const wanted = Math.min(role, asked ?? role);
  if (left === undefined) return wanted as Seconds;
  // Written so that NaN fails: a JWT with `"exp":null` would never end.
  if (!(left >= MIN_LIFETIME)) {
    throw new UnauthorizedError("the proof of identity has ended or is about to", "expired");
  }
  return Math.min(wanted, Math.floor(left)) as Seconds;
}
