import type { LimitState, RateLimits } from "../../core/rate-limit.ts";

/**
 * Rate limits as response headers, as draft-ietf-httpapi-ratelimit-headers-11 has them: `RateLimit-Policy:
 * "address";q=600;w=60` and `RateLimit: "address";r=599;t=1`, where `t` is the number of seconds until the next request
 * is allowed.
 */
export function limitPolicy(limits: RateLimits | undefined): Record<string, string> {
  if (!limits) return {};
  return { "RateLimit-Policy": `"address";q=${limits.address};w=60, "subject";q=${limits.subject};w=60` };
}

/** Adds the header `RateLimit` with these states, if there are any. */
export function setLimitStates(headers: Headers, states: readonly LimitState[]): void {
  if (states.length === 0) return;
  headers.set(
    "RateLimit",
    states.map(({ limit, left, next }) => `"${limit}";r=${left};t=${next}`).join(", "),
  );
}
