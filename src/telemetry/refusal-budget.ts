import { LRUCache } from "lru-cache";

/** How many lines refused requests may cost. */

interface Bucket {
  left: number;
  filledAt: number;
}

export interface RefusalBudgetOptions {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Told how many were left out since it was told last, by code, and how many seconds ago the first of them was. */
  readonly onOmitted: (codes: Readonly<Record<string, number>>, seconds: number) => void;
}

export interface RefusalBudget {
  /** Whether this refusal gets a line of its own; otherwise it is counted. */
  take(address: string | undefined, code: string): boolean;
  /** Tells what was left out since the last time. */
  close(): void;
}

/** Lines at once, and one more each so many milliseconds: 20 and 1/s from one address, 200 and 20/s from all. */
const PER_ADDRESS = { lines: 20, every: 1000 };
const FROM_ALL = { lines: 200, every: 50 };
/** Addresses that are remembered. One that was forgotten starts anew, within the budget for all. */
const ADDRESSES = 10_000;
/** Milliseconds. */
const TELL_EVERY = 10_000;

/**
 * With 300 bytes to a line, a flood costs 6 KB a second; in quiet times every refusal has its line. The budget of an
 * address comes first, so that one that floods doesn't take the lines of the others.
 */
export function createRefusalBudget({ now, onOmitted }: RefusalBudgetOptions): RefusalBudget {
  const addresses = new LRUCache<string, Bucket>({ max: ADDRESSES });
  const all: Bucket = { left: FROM_ALL.lines, filledAt: now() };
  let omitted = new Map<string, number>();
  let since = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function bucketOf(address: string): Bucket {
    const known = addresses.get(address);
    if (known) return known;
    const bucket = { left: PER_ADDRESS.lines, filledAt: now() };
    addresses.set(address, bucket);
    return bucket;
  }

  function tell(): void {
    clearTimeout(timer);
    timer = undefined;
    if (omitted.size === 0) return;
    const codes = Object.fromEntries(omitted);
    omitted = new Map();
    onOmitted(codes, Math.ceil((now() - since) / 1000));
  }

  return {
    take(address = "", code) {
      if (takeFrom(bucketOf(address), PER_ADDRESS, now()) && takeFrom(all, FROM_ALL, now())) return true;
      if (omitted.size === 0) since = now();
      omitted.set(code, (omitted.get(code) ?? 0) + 1);
      // Nobody waits for it at the end: `close` tells what is left.
      timer ??= setTimeout(tell, TELL_EVERY).unref();
      return false;
    },
    close: tell,
  };
}

function takeFrom(bucket: Bucket, { lines, every }: { lines: number; every: number }, now: number): boolean {
  bucket.left = Math.min(lines, bucket.left + (now - bucket.filledAt) / every);
  bucket.filledAt = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}
