import { createHash } from "node:crypto";
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { network } from "../core/address.ts";
import { ConfigError, RateLimitedError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import { isRateLimit, type RateLimits } from "../core/rate-limits.ts";
import { type TokenBuckets, tokenBuckets } from "../core/token-buckets.ts";
import type { ClientVariables } from "./client-address.ts";

/** Counts a caller's request. */
export type LimitSubject = (c: Context, identity: Identity) => void;

/** Limits that are in force, or none. */
export interface RateLimiter {
  /** Goes before anything of the request is read. Where the address isn't known, there is no limit for it. */
  readonly address: ReturnType<typeof limitAddress>;
  /** @throws {RateLimitedError} */
  readonly subject: LimitSubject;
}

/**
 * Token buckets by address and by caller. Answers carry what is left as draft-ietf-httpapi-ratelimit-headers-11 has it:
 * `RateLimit-Policy: "address";q=600;w=60` and `RateLimit: "address";r=599;t=1`, where `t` is the time to the next token.
 * @throws {ConfigError} for a limit that is not a whole number from 1 to 1,000,000
 */
export function rateLimiter(limits: RateLimits | "off"): RateLimiter {
  if (limits === "off") return { address: (_, next) => next(), subject: () => {} };
  const { address, subject } = limits;
  for (const [name, limit] of Object.entries({ address, subject })) {
    if (!isRateLimit(limit)) {
      throw new ConfigError(`rateLimit.${name}: wanted a whole number of requests a minute, 1 to 1000000`);
    }
  }
  const policy = `"address";q=${address};w=60, "subject";q=${subject};w=60`;
  return {
    address: limitAddress(perMinute(address), policy),
    subject: limitSubject(perMinute(subject)),
  };
}

const perMinute = (limit: number) => tokenBuckets({ capacity: limit, interval: 60_000 / limit });

function limitAddress(buckets: TokenBuckets, policy: string) {
  return createMiddleware<{ Variables: ClientVariables }>(async (c, next) => {
    c.header("RateLimit-Policy", policy);
    const { address } = c.var;
    if (address !== undefined) take(c, buckets, "address", network(address), "from this address");
    await next();
  });
}

function limitSubject(buckets: TokenBuckets): LimitSubject {
  return (c, identity) => take(c, buckets, "subject", callerKey(identity), "for this caller");
}

function take(c: Context, buckets: TokenBuckets, policy: string, key: string, whose: string): void {
  const { allowed, left, next } = buckets.take(key);
  c.header("RateLimit", `"${policy}";r=${left};t=${next}`, { append: true });
  if (!allowed) throw new RateLimitedError(`too many requests ${whose}; try again in ${next} s`, next);
}

/** Longer keys are hashed: how much is remembered is counted in keys. */
const MAX_KEY = 128;

/** One text for each pair: the length says where the issuer ends. */
function callerKey({ issuer, subject }: Identity): string {
  const key = `${issuer.length}:${issuer}${subject}`;
  return key.length <= MAX_KEY ? key : createHash("sha256").update(key).digest("base64url");
}
