import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";
import { withTimeout } from "../util/timeout.ts";
import { collectProcess } from "./process.ts";

/** The metrics of several processes as those of one service. */

/** The values of one process's metrics; plain JSON. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The content type of the text that `collect` returns. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export interface AggregateOptions {
  /** Requests a snapshot from each process, and returns the numbers of these processes. */
  readonly requestSnapshots: () => Iterable<number>;
  /** Milliseconds to wait for the snapshots; 1,000 by default. */
  readonly timeout?: number;
}

export interface Aggregate {
  /** To be called with each snapshot that a process has sent. */
  readonly report: (number: number, snapshot: MetricsSnapshot) => void;
  /** To be called when a process has ended. */
  readonly ended: (number: number) => void;
  /**
   * The text for Prometheus, over all processes and this one. A process that sends nothing within the time limit counts
   * with its last snapshot. Simultaneous calls share one result.
   */
  readonly collect: () => Promise<string>;
}

/**
 * Adds up so that no count ever decreases, which Prometheus would take for a restart: what a process had counted by its
 * last snapshot is kept when the process has ended or is too busy to send another.
 */
export function createAggregate({ requestSnapshots, timeout = 1000 }: AggregateOptions): Aggregate {
  const own = new Registry();
  collectProcess(own);
  /** The last snapshot of each running process. */
  const latest = new Map<number, MetricsSnapshot>();
  /** The sum of the counts of all processes that have ended. */
  let past: MetricsSnapshot = [];
  let missing = new Set<number>();
  let complete = Promise.withResolvers<void>();
  let collecting: Promise<string> | undefined;

  function arrived(number: number): void {
    missing.delete(number);
    if (missing.size === 0) complete.resolve();
  }

  async function collect(): Promise<string> {
    complete = Promise.withResolvers();
    missing = new Set(requestSnapshots());
    if (missing.size > 0) await withTimeout(complete.promise, timeout, () => {});
    return add([...latest.values(), past, await own.getMetricsAsJSON()]).metrics();
  }

  return {
    report(number, snapshot) {
      latest.set(number, snapshot);
      arrived(number);
    },
    ended(number) {
      const last = latest.get(number);
      if (last) past = add([past, last.filter(isCount)]).getMetricsAsArray() as unknown as MetricsSnapshot;
      latest.delete(number);
      arrived(number);
    },
    collect() {
      collecting ??= collect().finally(() => {
        collecting = undefined;
      });
      return collecting;
    },
  };
}

/** A registry with the sums. prom-client's types don't say that each of its metrics has its values. */
const add = (snapshots: readonly MetricsSnapshot[]) => AggregatorRegistry.aggregate(snapshots as object[]);

/** Whether it only grows. The gauges of a process that has ended mean nothing. */
const isCount = ({ type }: MetricsSnapshot[number]) =>
  String(type) === "counter" || String(type) === "histogram";
