/** What came of an attempt to take a token. Times in whole seconds. */
export interface Taken {
  readonly allowed: boolean;
  /** Tokens that are left. */
  readonly left: number;
  /** Until there is one more; at least 1. */
  readonly next: number;
}

export interface TokenBucket {
  /** Takes one token, if there is one. An attempt that is refused costs nothing. */
  take(): Taken;
}

export interface TokenBuckets {
  /** Takes one token out of this key's bucket, if there is one. An attempt that is refused costs nothing. */
  take(key: string): Taken;
  /** How many keys are remembered, at most. */
  readonly size: number;
}

export interface TokenBucketOptions {
  /** Tokens that a bucket holds. */
  readonly capacity: number;
  /** Milliseconds after which one comes back. */
  readonly interval: number;
  /** Milliseconds. When the clock is set back, a bucket keeps what it has, and fills from then on. */
  readonly now?: () => number;
}

interface Bucket {
  /** With the part of the next one that has come. */
  tokens: number;
  filledAt: number;
}

/**
 * Some MB. One that is forgotten has not asked while half as many others did, which takes some seconds at the least: who
 * asks that seldom is within any sensible limit.
 */
const MAX_KEYS = 20_000;
/** Milliseconds; more than what adding up fractions loses, less than anybody can tell. */
const ROUNDING = 1e-3;

const monotonic = () => performance.now();

/** So many at once, and then one more after each interval. There is no timer: a bucket is filled when it is asked. */
export function tokenBucket({ capacity, interval, now = monotonic }: TokenBucketOptions): TokenBucket {
  const bucket: Bucket = { tokens: capacity, filledAt: now() };
  return { take: () => takeFrom(bucket, capacity, interval, now()) };
}

/**
 * One bucket for each key. When there are too many keys, those that were not asked for longest are forgotten, half of them
 * at a time, which is as if their buckets were full: whoever wants that must come from as many addresses, or be as many
 * callers, as are remembered.
 */
export function tokenBuckets({
  capacity,
  interval,
  now = monotonic,
  maxKeys = MAX_KEYS,
}: TokenBucketOptions & { readonly maxKeys?: number }): TokenBuckets {
  // Two maps that are filled in turn: nothing is taken out one by one, which would leave holes to be collected.
  let recent = new Map<string, Bucket>();
  let older = new Map<string, Bucket>();

  function remember(key: string, bucket: Bucket): Bucket {
    if (recent.size >= maxKeys / 2) {
      older = recent;
      recent = new Map();
    }
    recent.set(key, bucket);
    return bucket;
  }

  return {
    take(key) {
      const time = now();
      const bucket = recent.get(key) ?? remember(key, older.get(key) ?? { tokens: capacity, filledAt: time });
      return takeFrom(bucket, capacity, interval, time);
    },
    get size() {
      return recent.size + older.size;
    },
  };
}

function takeFrom(bucket: Bucket, capacity: number, interval: number, time: number): Taken {
  const passed = Math.max(time - bucket.filledAt, 0);
  bucket.filledAt = time;
  bucket.tokens = Math.min(bucket.tokens + passed / interval, capacity);
  const whole = () => Math.floor(bucket.tokens + ROUNDING / interval);
  const allowed = whole() > 0;
  // What rounding gave is owed: it may be a little below zero then.
  if (allowed) bucket.tokens -= 1;
  const left = whole();
  const untilNext = (left + 1 - bucket.tokens) * interval;
  return { allowed, left, next: Math.max(Math.ceil((untilNext - ROUNDING) / 1000), 1) };
}
