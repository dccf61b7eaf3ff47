/**
 * Contenders are measured in turn, A, B, C, A, B, C, so that a machine that is slower for a time affects all of them.
 * Ratios compare measurements of the same round.
 */

export interface Measurement {
  readonly perSecond: number;
  /** The same per second of processor time, which depends less on other programs on the machine. */
  readonly perProcessorSecond?: number | undefined;
  /** Milliseconds within which 99 of 100 responses arrived. */
  readonly p99?: number;
  /** The same for half of the responses, and for 999 of 1000; only at a constant rate. */
  readonly p50?: number;
  readonly p999?: number;
  /** Growth of the process in bytes. */
  readonly grownBy?: number;
}

export interface Contender {
  readonly name: string;
  /** @throws if it could not be measured; its result of that round is undefined then */
  readonly measure: () => Promise<Measurement>;
}

/** The measurements of each contender: one for each round, undefined if it failed. */
export type Rounds = ReadonlyMap<string, readonly (Measurement | undefined)[]>;

export async function measureInTurn(
  contenders: readonly Contender[],
  rounds: number,
  report: (line: string) => void,
): Promise<Rounds> {
  const all = new Map<string, (Measurement | undefined)[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, measure } of contenders) {
      const measured = await measure().catch((error: Error) => {
        report(`!! NO MEASUREMENT of "${name}": ${error.message}`);
        return undefined;
      });
      all.get(name)?.push(measured);
      if (measured)
        report(`round ${round} of ${rounds}: ${name}: ${Math.round(measured.perSecond)} per second`);
    }
  }
  return all;
}

/** Median, minimum and maximum. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Undefined if there are no values. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const at = (index: number) => sorted[index] as number;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

export const spreadOf = (rounds: Rounds, name: string, of: keyof Measurement = "perSecond") =>
  spread((rounds.get(name) ?? []).flatMap((measured) => measured?.[of] ?? []));

/** The ratio of the rates of two contenders, of all rounds. */
export function ratio(
  rounds: Rounds,
  one: string,
  other: string,
  of: "perSecond" | "perProcessorSecond" = "perSecond",
): Spread | undefined {
  const others = rounds.get(other) ?? [];
  const pairs = (rounds.get(one) ?? []).map((measured, round) => [measured, others[round]] as const);
  return spread(pairs.flatMap(([a, b]) => (a?.[of] && b?.[of] ? a[of] / b[of] : [])));
}
