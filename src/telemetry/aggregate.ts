import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";
import { collectProcess } from "./process.ts";

/** The figures of several processes as those of one service. */

/** What one process has counted. */
export type Figures = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The type of the text that the figures are told in. */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export interface TotalsOptions {
  /** Asks each process for its figures, and gives the numbers of those that were asked. */
  readonly ask: () => Iterable<number>;
  /** Milliseconds that each has to tell them. */
  readonly patience?: number;
}

export interface Totals {
  /** To be told what a process has counted. */
  readonly told: (number: number, figures: Figures) => void;
  /** To be told that a process has ended. */
  readonly ended: (number: number) => void;
  /** Asks all, and adds up what they say and what is known of this process. */
  readonly collect: () => Promise<string>;
}

/**
 * Adds up so that no count ever goes down, which would look like a service that was started again: what a process had
 * counted when it was last asked is still there when it has ended, or is too busy to say it anew.
 */
export function createTotals({ ask, patience = 1000 }: TotalsOptions): Totals {
  const own = new Registry();
  collectProcess(own);
  /** What each process has told last. */
  const latest = new Map<number, Figures>();
  /** What those that have ended had counted. */
  let past: Figures = [];
  let missing = new Set<number>();
  let complete = Promise.withResolvers<void>();
  let collecting: Promise<string> | undefined;

  function heard(number: number): void {
    missing.delete(number);
    if (missing.size === 0) complete.resolve();
  }

  async function collect(): Promise<string> {
    complete = Promise.withResolvers();
    missing = new Set(ask());
    const timer = setTimeout(complete.resolve, patience);
    if (missing.size > 0) await complete.promise;
    clearTimeout(timer);
    const mine = await own.getMetricsAsJSON();
    return add([...latest.values(), past, mine]).metrics();
  }

  return {
    told(number, figures) {
      latest.set(number, figures);
      heard(number);
    },
    ended(number) {
      const last = latest.get(number);
      if (last) past = add([past, last.filter(isCount)]).getMetricsAsArray() as unknown as Figures;
      latest.delete(number);
      heard(number);
    },
    collect() {
      collecting ??= collect().finally(() => {
        collecting = undefined;
      });
      return collecting;
    },
  };
}

/** The registry that holds the sums; each of its metrics has its values. */
const add = (all: readonly Figures[]) => AggregatorRegistry.aggregate(all as object[]);

/** What only grows. A gauge of a process that has ended says nothing any longer. */
const isCount = ({ type }: Figures[number]) => String(type) === "counter" || String(type) === "histogram";
