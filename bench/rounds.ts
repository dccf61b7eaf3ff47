/**
 * Contenders are measured in turn, A, B, C, A, B, C: a machine that is slower for a while is so for all of them. What is
 * compared is what was measured in the same round.
 */

export interface Measurement {
  readonly perSecond: number;
  /** The same for each second that a processor worked for it: what else runs on the machine shows less in that. */
  readonly perProcessorSecond?: number | undefined;
  /** Milliseconds within which 99 of 100 answers came. */
  readonly p99?: number;
  /** Bytes by which the process has grown. */
  readonly grownBy?: number;
}

export interface Contender {
  readonly name: string;
  /** @throws when it could not be measured; that round has nothing for it then */
  readonly measure: () => Promise<Measurement>;
}

/** By contender: one for each round, undefined where it failed. */
export type Rounds = ReadonlyMap<string, readonly (Measurement | undefined)[]>;

export async function inTurn(
  contenders: readonly Contender[],
  rounds: number,
  say: (line: string) => void,
): Promise<Rounds> {
  const all = new Map<string, (Measurement | undefined)[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const { name, measure } of contenders) {
      const measured = await measure().catch((error: Error) => {
        say(`!! NO MEASUREMENT of "${name}": ${error.message}`);
        return undefined;
      });
      all.get(name)?.push(measured);
      if (measured) say(`round ${round} of ${rounds}: ${name}: ${Math.round(measured.perSecond)} a second`);
    }
  }
  return all;
}

/** The middle one, and the least and the most. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Undefined of nothing. */
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

/** How many times as fast one is as the other, round by round. */
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
