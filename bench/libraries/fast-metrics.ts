/**
 * The hand-written alternative to prom-client's Counter and Histogram: series are found by one joined string, and labels
 * are not sorted or checked. It is measured here and not used in the service.
 */

interface Observations {
  /** The number of observations in each bucket without those of lower buckets; the last element counts those above all bounds. */
  readonly counts: number[];
  sum: number;
}

export class FastCounter {
  readonly #counts = new Map<string, { count: number }>();

  /** @param values of the labels, in their order */
  inc(...values: (string | number)[]): void {
    const key = values.join("\n");
    const series = this.#counts.get(key);
    if (series) series.count++;
    else this.#counts.set(key, { count: 1 });
  }
}

export class FastHistogram {
  readonly #series = new Map<string, Observations>();
  readonly #bounds: readonly number[];

  /** @param bounds upper bounds of the buckets, ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(value: number, label = ""): void {
    const series = this.#observations(label);
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++;
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
    series.sum += value;
  }

  #observations(label: string): Observations {
    const known = this.#series.get(label);
    if (known) return known;
    const created = { counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 };
    this.#series.set(label, created);
    return created;
  }
}
