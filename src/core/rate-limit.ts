/** Requests in a minute, and at once, for each of them. */
export interface RateLimits {
  /** For a client's address; of IPv6 for its /64, since a client has as many addresses as it likes there. */
  readonly address: number;
  /** For a caller, once it is known who it is. */
  readonly subject: number;
}

export const DEFAULT_RATE_LIMITS: RateLimits = { address: 600, subject: 60 };

/** Whether it is a whole number from 1 to 1,000,000. */
export const isRateLimit = (limit: number) => Number.isInteger(limit) && limit >= 1 && limit <= 1_000_000;
