import { LRUCache } from "lru-cache";

/** What came of an attempt to take a token. Times in whole seconds. */
export interface Taken {
  readonly allowed: boolean;
  /** Tokens that are left. */
  readonly left: number;
  /** Until there is one more; at least 1. */
  readonly next: number;
}

export interface TokenBuckets {
  /** Takes one token out of this key's bucket, if there is one. One that is refused costs nothing. */
  take(key: string): Taken;
  /** How many keys are remembered. */
  readonly size: number;
}

export interface TokenBucketOptions {
  /** Tokens that a bucket holds, and that it gets in a minute, evenly. */
  readonly perMinute: number;
  /** Keys to remember at most. */
  readonly maxKeys?: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** About 15 MB when they are all in use. */
const MAX_KEYS = 100_000;
/** Milliseconds; more than what adding up fractions loses, less than anybody can tell. */
const ROUNDING = 1e-3;

/**
 * One bucket of tokens for each key. Of a bucket only one number is kept, the time at which it will be full again
 * (GCRA, the generic cell rate algorithm of ATM's traffic contracts, in its virtual scheduling form): there is nothing to
 * refill and no timer. When there are too many keys, the one that was not asked for longest is forgotten, which is as if
 * its bucket were full: whoever wants that must come from as many addresses, or be as many callers, as are remembered.
 */
export function tokenBuckets({
  perMinute,
  maxKeys = MAX_KEYS,
  now = () => performance.now(),
}: TokenBucketOptions): TokenBuckets {
  const interval = 60_000 / perMinute;
  const fullAt = new LRUCache<string, number>({ max: maxKeys });

  return {
    take(key) {
      const time = now();
      const full = Math.max(fullAt.get(key) ?? 0, time);
      // Tokens that are missing, and those of them that are on their way in parts.
      const missing = (full - time) / interval;
      const left = Math.floor(perMinute - missing + ROUNDING / interval) - 1;
      const allowed = left >= 0;
      if (allowed) fullAt.set(key, full + interval);
      const missingNow = allowed ? missing + 1 : missing;
      const untilNext = (missingNow - Math.ceil(missingNow - ROUNDING / interval) + 1) * interval;
      return {
        allowed,
        left: Math.max(left, 0),
        next: Math.max(Math.ceil((untilNext - ROUNDING) / 1000), 1),
      };
    },
    get size() {
      return fullAt.size;
    },
  };
}
