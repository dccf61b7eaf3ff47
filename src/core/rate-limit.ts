import { createHash } from "node:crypto";
import { network } from "../util/address.ts";
import { type TokenBuckets, tokenBuckets } from "../util/token-bucket.ts";
import { ConfigError, RateLimitedError } from "./errors.ts";
import type { Identity } from "./identity.ts";

/** Requests per minute. A whole minute's requests may arrive at once. */
export interface RateLimits {
  /** Per client address; for IPv6 per /64, since one client usually has a whole /64. */
  readonly address: number;
  /** Per authenticated caller. */
  readonly subject: number;
}

/** The limits of a service that configures none. */
export const DEFAULT_RATE_LIMITS: RateLimits = { address: 600, subject: 60 };

/** Whether a limit is a whole number from 1 to 1,000,000. */
export const isRateLimit = (limit: number) => Number.isInteger(limit) && limit >= 1 && limit <= 1_000_000;

/** One limit after a request was counted. */
export interface LimitState {
  readonly limit: keyof RateLimits;
  /** Requests that are still allowed. */
  readonly left: number;
  /** Seconds until one more is allowed. */
  readonly next: number;
}

/** Counts requests, and refuses those above a limit. */
export interface RateLimiter {
  /** The limits; undefined when there are none. */
  readonly limits: RateLimits | undefined;
  /**
   * Counts a request from an address, and adds the limit's state to `states`. An unknown address has no limit.
   * @throws {RateLimitedError} when the limit is used up
   */
  readonly address: (address: string | undefined, states: LimitState[]) => void;
  /** Counts a request of a caller, and adds the limit's state to `states`. @throws {RateLimitedError} */
  readonly subject: (identity: Identity, states: LimitState[]) => void;
}

/**
 * Token buckets by address and by caller.
 * @throws {ConfigError} for a limit that is not a whole number from 1 to 1,000,000
 */
export function rateLimiter(limits: RateLimits | "off"): RateLimiter {
  if (limits === "off") return { limits: undefined, address: () => {}, subject: () => {} };
  for (const [name, limit] of Object.entries({ address: limits.address, subject: limits.subject })) {
    if (!isRateLimit(limit)) {
      throw new ConfigError(`rateLimit.${name}: wanted a whole number of requests a minute, 1 to 1000000`);
    }
  }
  const addresses = perMinute(limits.address);
  const subjects = perMinute(limits.subject);
  return {
    limits,
    address(address, states) {
      if (address !== undefined) take(addresses, states, "address", network(address), "from this address");
    },
    subject: (identity, states) => take(subjects, states, "subject", callerKey(identity), "of this caller"),
  };
}

const perMinute = (limit: number) => tokenBuckets({ capacity: limit, interval: 60_000 / limit });

function take(
  buckets: TokenBuckets,
  states: LimitState[],
  limit: keyof RateLimits,
  key: string,
  origin: string,
): void {
  const { allowed, left, next } = buckets.take(key);
  states.push({ limit, left, next });
  if (!allowed) throw new RateLimitedError(`too many requests ${origin}; try again in ${next} s`, next);
}

/** Characters. Longer keys are hashed, since the memory for keys is bounded only by their number. */
const MAX_KEY = 128;

/** A text that is unique for each pair: the length tells where the issuer ends. */
function callerKey({ issuer, subject }: Identity): string {
  const key = `${issuer.length}:${issuer}${subject}`;
  return key.length <= MAX_KEY ? key : createHash("sha256").update(key).digest("base64url");
}
