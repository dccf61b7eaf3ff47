import { createHash } from "node:crypto";
import { ConfigError, RateLimitedError } from "../../core/errors.ts";
import type { Identity } from "../../core/identity.ts";
import { isRateLimit, type RateLimits } from "../../core/rate-limit.ts";
import { network } from "../../util/address.ts";
import { type TokenBuckets, tokenBuckets } from "../../util/token-bucket.ts";

/** Limits that are in force, or none. */
export interface RateLimiter {
  /** The limits, as answers name them; empty when there are none. */
  readonly policy: string;
  /**
   * Goes before anything of the request is read. Where the address isn't known, there is no limit for it.
   * @throws {RateLimitedError}
   */
  readonly address: (address: string | undefined, report: Report) => void;
  /** Counts a caller's request. @throws {RateLimitedError} */
  readonly subject: (identity: Identity, report: Report) => void;
}

/** Where it is written what is left: one item for each limit, separated by commas. */
export interface Report {
  limits: string;
}

/**
 * Token buckets by address and by caller. Answers carry what is left as draft-ietf-httpapi-ratelimit-headers-11 has it:
 * `RateLimit-Policy: "address";q=600;w=60` and `RateLimit: "address";r=599;t=1`, where `t` is the time to the next token.
 * @throws {ConfigError} for a limit that is not a whole number from 1 to 1,000,000
 */
export function rateLimiter(limits: RateLimits | "off"): RateLimiter {
  if (limits === "off") return { policy: "", address: () => {}, subject: () => {} };
  for (const [name, limit] of Object.entries({ address: limits.address, subject: limits.subject })) {
    if (!isRateLimit(limit)) {
      throw new ConfigError(`rateLimit.${name}: wanted a whole number of requests a minute, 1 to 1000000`);
    }
  }
  const addresses = perMinute(limits.address);
  const subjects = perMinute(limits.subject);
  return {
    policy: `"address";q=${limits.address};w=60, "subject";q=${limits.subject};w=60`,
    address(address, report) {
      if (address !== undefined) take(addresses, report, "address", network(address), "from this address");
    },
    subject: (identity, report) => take(subjects, report, "subject", callerKey(identity), "for this caller"),
  };
}

const perMinute = (limit: number) => tokenBuckets({ capacity: limit, interval: 60_000 / limit });

function take(buckets: TokenBuckets, report: Report, policy: string, key: string, whose: string): void {
  const { allowed, left, next } = buckets.take(key);
  report.limits += `${report.limits && ", "}"${policy}";r=${left};t=${next}`;
  if (!allowed) throw new RateLimitedError(`too many requests ${whose}; try again in ${next} s`, next);
}

/** Longer keys are hashed: how much is remembered is counted in keys. */
const MAX_KEY = 128;

/** One text for each pair: the length says where the issuer ends. */
function callerKey({ issuer, subject }: Identity): string {
  const key = `${issuer.length}:${issuer}${subject}`;
  return key.length <= MAX_KEY ? key : createHash("sha256").update(key).digest("base64url");
}
