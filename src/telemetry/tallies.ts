import type { Metric } from "prom-client";

/**
 * What is counted with each request. prom-client sorts, checks and joins the labels each time, which takes as long as
 * anything else about a request but the signature; here that is left until somebody asks.
 */

type Labels = Readonly<Record<string, string | number>>;

/** Counts by labels. */
export interface Tally {
  /** @param values of the labels, in their order */
  add(...values: (string | number)[]): void;
  /** Has a count of 0 from the start. */
  begin(...values: (string | number)[]): void;
  /** Hands over all counts. */
  each(take: (labels: Labels, count: number) => void): void;
}

interface Count {
  readonly labels: Labels;
  count: number;
}

export function tally(labelNames: readonly string[]): Tally {
  const counts = new Map<string, Count>();
  function begin(...values: (string | number)[]): Count {
    const count = { labels: labelled(labelNames, values), count: 0 };
    counts.set(values.join("\n"), count);
    return count;
  }
  return {
    begin,
    add(...values) {
      const known = counts.get(values.join("\n")) ?? begin(...values);
      known.count++;
    },
    each(take) {
      for (const { labels, count } of counts.values()) take(labels, count);
    },
  };
}

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** One, or none. */
  readonly labelNames: readonly [string?];
  /** The upper bounds of the buckets, ascending. */
  readonly buckets: readonly number[];
}

export interface TalliedHistogram {
  readonly observe: (value: number, label?: string) => void;
  /** To be given to a registry. */
  readonly metric: Metric;
}

interface Observed {
  readonly labels: Labels;
  /** How many were in each bucket and in none before it; the last is for what is above all bounds. */
  readonly counts: number[];
  sum: number;
}

/** A histogram that a registry takes for one of prom-client's. */
export function histogram({ name, help, labelNames, buckets }: HistogramOptions): TalliedHistogram {
  const all = new Map<string, Observed>();

  function series(label: string): Observed {
    const known = all.get(label);
    if (known) return known;
    const labels = labelled(
      labelNames.filter((name) => name !== undefined),
      [label],
    );
    const made = { labels, counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 };
    all.set(label, made);
    return made;
  }
  if (labelNames.length === 0) series("");

  /** As the text format of Prometheus has it: each bucket holds what is in those below it too. */
  function valuesOf({ labels, counts, sum }: Observed) {
    let count = 0;
    const values = counts.map((inBucket, i) => {
      count += inBucket;
      return { metricName: `${name}_bucket`, labels: { le: buckets[i] ?? "+Inf", ...labels }, value: count };
    });
    return [
      ...values,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }

  const get = async () => ({
    name,
    help,
    type: "histogram",
    aggregator: "sum",
    values: [...all.values()].flatMap(valuesOf),
  });
  return {
    observe(value, label = "") {
      const observed = series(label);
      let bucket = 0;
      while (bucket < buckets.length && value > (buckets[bucket] as number)) bucket++;
      observed.counts[bucket] = (observed.counts[bucket] ?? 0) + 1;
      observed.sum += value;
    },
    metric: { name, help, aggregator: "sum", get } as unknown as Metric,
  };
}

const labelled = (names: readonly string[], values: readonly (string | number)[]): Labels =>
  Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""]));
