import { network } from "../util/address.ts";
import { tokenBucket, tokenBuckets } from "../util/token-bucket.ts";

/** How many lines refused requests may cost. */

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

/** Lines at once, and milliseconds to one more: 20 and 1/s from one address or IPv6 /64, 200 and 20/s from all. */
const PER_NETWORK = { capacity: 20, interval: 1000 };
const FROM_ALL = { capacity: 200, interval: 50 };
/** Networks that are remembered. One that was forgotten starts anew, within the budget for all. */
const NETWORKS = 10_000;
/** Milliseconds. */
const TELL_EVERY = 10_000;

/**
 * With 300 bytes to a line, a flood costs 6 KB a second; in quiet times every refusal has its line. The budget of an
 * address comes first, so that one that floods doesn't take the lines of the others.
 */
export function createRefusalBudget({ now, onOmitted }: RefusalBudgetOptions): RefusalBudget {
  const networks = tokenBuckets({ ...PER_NETWORK, maxKeys: NETWORKS, now });
  const all = tokenBucket({ ...FROM_ALL, now });
  let omitted = new Map<string, number>();
  let since = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

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
      if (networks.take(network(address)).allowed && all.take().allowed) return true;
      if (omitted.size === 0) since = now();
      omitted.set(code, (omitted.get(code) ?? 0) + 1);
      // Nobody waits for it at the end: `close` tells what is left.
      timer ??= setTimeout(tell, TELL_EVERY).unref();
      return false;
    },
    close: tell,
  };
}
