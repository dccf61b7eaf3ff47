import { network } from "../util/address.ts";
import { tokenBucket, tokenBuckets } from "../util/token-bucket.ts";

/** Limits how many audit lines refused requests cause. */

export interface RefusalBudgetOptions {
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Called with the number of refusals without a line since the last call, by code, and the seconds since the first. */
  readonly onOmitted: (codes: Readonly<Record<string, number>>, seconds: number) => void;
}

export interface RefusalBudget {
  /** Whether this refusal gets a line; otherwise it is counted. */
  take(address: string | undefined, code: string): boolean;
  /** Reports the refusals that were counted since the last report. */
  close(): void;
}

/** Lines at once, and milliseconds to one more: 20 and 1/s for an address or IPv6 /64, 200 and 20/s in all. */
const PER_NETWORK = { capacity: 20, interval: 1000 };
const IN_ALL = { capacity: 200, interval: 50 };
/** Networks that are remembered. A forgotten one starts with a full budget, within the budget in all. */
const NETWORKS = 10_000;
/** Milliseconds between two reports. */
const REPORT_EVERY = 10_000;

/**
 * With lines of 300 bytes, a flood costs 6 KB a second; without one, every refusal has a line. The budget of the address is
 * taken first, so that a flood from one address does not use the lines of other addresses.
 */
export function createRefusalBudget({ now, onOmitted }: RefusalBudgetOptions): RefusalBudget {
  const networks = tokenBuckets({ ...PER_NETWORK, maxKeys: NETWORKS, now });
  const all = tokenBucket({ ...IN_ALL, now });
  let omitted = new Map<string, number>();
  let since = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function report(): void {
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
      // The timer does not keep the process running: `close` reports the rest.
      timer ??= setTimeout(report, REPORT_EVERY).unref();
      return false;
    },
    close: report,
  };
}
