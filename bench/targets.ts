import type { Machine } from "./machine.ts";
import { type Rounds, ratio } from "./rounds.ts";
import type { State } from "./state.ts";

/** The targets, and whether they were reached. */

/** The target for the ratio of two contenders. */
export interface Comparison {
  readonly what: string;
  readonly one: string;
  readonly other: string;
  readonly target: number;
}

/** The upper limit of a figure. */
export interface Bound {
  readonly what: string;
  readonly unit: string;
  readonly target: number;
  /** Undefined if it could not be measured. */
  readonly measured: number | undefined;
}

/** The input of one part of the benchmark. */
export interface PartOptions {
  readonly scratch: string;
  readonly state: State;
  readonly machine: Machine;
  readonly rounds: number;
  /** The duration of one measurement. */
  readonly seconds: number;
  readonly report: (line: string) => void;
}

/** The results of one part of the benchmark. */
export interface Part {
  readonly rounds: Rounds;
  /** Measurements at constant rates, by the rate. */
  readonly atRates?: ReadonlyMap<number, Rounds>;
  readonly comparisons: readonly Comparison[];
  readonly bounds: readonly Bound[];
}

/** The result for one target, as text. */
export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  /** The ratio by processor time. */
  readonly byProcessor: string;
  readonly verdict: "reached" | "falls short" | "not measured";
}

export function verdicts({ rounds, comparisons, bounds }: Part): Verdict[] {
  return [
    ...comparisons.map(({ what, one, other, target }): Verdict => {
      const measured = ratio(rounds, one, other);
      const byProcessor = ratio(rounds, one, other, "perProcessorSecond");
      return {
        what,
        target: `≥ ${target} × ${other}`,
        measured: measured
          ? `${times(measured.median)} (${times(measured.least)} to ${times(measured.most)})`
          : "—",
        byProcessor: byProcessor ? times(byProcessor.median) : "—",
        verdict: verdictOf(measured && measured.median >= target),
      };
    }),
    ...bounds.map(
      ({ what, unit, target, measured }): Verdict => ({
        what,
        target: `≤ ${target} ${unit}`,
        measured: measured === undefined ? "—" : `${round(measured)} ${unit}`,
        byProcessor: "",
        verdict: verdictOf(measured === undefined ? undefined : measured <= target),
      }),
    ),
  ];
}

const times = (ratio: number) => ratio.toFixed(2);
const round = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

function verdictOf(reached: boolean | undefined): Verdict["verdict"] {
  if (reached === undefined) return "not measured";
  return reached ? "reached" : "falls short";
}
