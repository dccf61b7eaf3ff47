import { recentKeys } from "./recent-keys.ts";

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

/** Buckets by number: the tokens in each, with the fraction of the next one, and when it was last filled. */
interface Store {
  readonly tokens: Float64Array;
  readonly filledAt: Float64Array;
}

const makeStore = (buckets: number): Store => ({
  tokens: new Float64Array(buckets),
  filledAt: new Float64Array(buckets),
});

/**
 * About 1 MB. To push a key out, 20,000 other keys must be used after it, which takes some seconds at least. A caller that
 * sends requests so seldom is within any sensible limit.
 */
const MAX_KEYS = 20_000;
/** Milliseconds: more than the rounding error of adding fractions, too little to notice. */
const ROUNDING = 1e-3;

const monotonic = () => performance.now();

/** Allows `capacity` tokens at once, then one for each interval. It has no timer: it is filled when a token is taken. */
export function tokenBucket({ capacity, interval, now = monotonic }: TokenBucketOptions): TokenBucket {
  const only = makeStore(1);
  fillUp(only, 0, capacity, now());
  return { take: () => takeFrom(only, 0, capacity, interval, now()) };
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
  const keys = recentKeys(maxKeys);
  const buckets = makeStore(maxKeys);
  return {
    take(key) {
      const time = now();
      const used = keys.use(key);
      if (used >= 0) return takeFrom(buckets, used, capacity, interval, time);
      fillUp(buckets, ~used, capacity, time);
      return takeFrom(buckets, ~used, capacity, interval, time);
    },
    get size() {
      return keys.size;
    },
  };
}

function fillUp({ tokens, filledAt }: Store, bucket: number, capacity: number, time: number): void {
  tokens[bucket] = capacity;
  filledAt[bucket] = time;
}

function takeFrom(store: Store, bucket: number, capacity: number, interval: number, time: number): Taken {
  const passed = Math.max(time - (store.filledAt[bucket] as number), 0);
  let tokens = Math.min((store.tokens[bucket] as number) + passed / interval, capacity);
  const allowed = whole(tokens, interval) > 0;
  // A token that exists only by rounding is taken too: the count may then be slightly below zero.
  if (allowed) tokens -= 1;
  store.tokens[bucket] = tokens;
  store.filledAt[bucket] = time;
  const left = whole(tokens, interval);
  const untilNext = (left + 1 - tokens) * interval;
  return { allowed, left, next: Math.max(Math.ceil((untilNext - ROUNDING) / 1000), 1) };
}

const whole = (tokens: number, interval: number) => Math.floor(tokens + ROUNDING / interval);
