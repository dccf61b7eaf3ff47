import { LRUCache } from "lru-cache";

/** The result of taking a token. */
export interface Taken {
  readonly allowed: boolean;
  /** Tokens that are left. */
  readonly left: number;
  /** Whole seconds until there is one more token; at least 1. */
  readonly next: number;
}

export interface TokenBucket {
  /** Takes one token, if there is one. A refused attempt costs nothing. */
  take(): Taken;
}

export interface TokenBuckets {
  /** Takes one token out of this key's bucket, if there is one. A refused attempt costs nothing. */
  take(key: string): Taken;
  /** Number of keys that are remembered. */
  readonly size: number;
}

export interface TokenBucketOptions {
  /** Tokens in a full bucket. */
  readonly capacity: number;
  /** Milliseconds until one token is added. */
  readonly interval: number;
  /** The clock, in milliseconds. When it is set back, a bucket keeps its tokens and fills from the new time on. */
  readonly now?: () => number;
}

interface Bucket {
  /** Includes the fraction of the next token. */
  tokens: number;
  filledAt: number;
}

/**
 * About 6 MB. To push a key out, 20,000 other keys must be used after it, which takes some seconds at least. A caller that
 * sends requests so seldom is within any sensible limit.
 */
const MAX_KEYS = 20_000;
/** Milliseconds: more than the rounding error of adding fractions, too little to notice. */
const ROUNDING = 1e-3;

const monotonic = () => performance.now();

/** Allows `capacity` tokens at once, then one for each interval. It has no timer: it is filled when a token is taken. */
export function tokenBucket({ capacity, interval, now = monotonic }: TokenBucketOptions): TokenBucket {
  const bucket: Bucket = { tokens: capacity, filledAt: now() };
  return { take: () => takeFrom(bucket, capacity, interval, now()) };
}

/**
 * One bucket for each key. Above `maxKeys` (20,000 by default) the least recently used key is forgotten, as if its bucket
 * were full. An attacker who wants that needs as many addresses or identities as there are keys.
 */
export function tokenBuckets({
  capacity,
  interval,
  now = monotonic,
  maxKeys = MAX_KEYS,
}: TokenBucketOptions & { readonly maxKeys?: number }): TokenBuckets {
  const buckets = new LRUCache<string, Bucket>({ max: maxKeys });
  return {
    take(key) {
      const time = now();
      let bucket = buckets.get(key);
      if (!bucket) {
        bucket = { tokens: capacity, filledAt: time };
        buckets.set(key, bucket);
      }
      return takeFrom(bucket, capacity, interval, time);
    },
    get size() {
      return buckets.size;
    },
  };
}

function takeFrom(bucket: Bucket, capacity: number, interval: number, time: number): Taken {
  const passed = Math.max(time - bucket.filledAt, 0);
  bucket.filledAt = time;
  bucket.tokens = Math.min(bucket.tokens + passed / interval, capacity);
  const whole = () => Math.floor(bucket.tokens + ROUNDING / interval);
  const allowed = whole() > 0;
  // A token that exists only by rounding is taken too: the count may then be slightly below zero.
  if (allowed) bucket.tokens -= 1;
  const left = whole();
  const untilNext = (left + 1 - bucket.tokens) * interval;
  return { allowed, left, next: Math.max(Math.ceil((untilNext - ROUNDING) / 1000), 1) };
}
