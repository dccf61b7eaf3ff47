import type { Machine } from "./machine.ts";
import { type Rounds, ratio } from "./rounds.ts";
import type { State } from "./state.ts";

/** What is to be reached, and what was. */

/** How many times as fast one contender must be as another. */
export interface Comparison {
  readonly what: string;
  readonly one: string;
  readonly other: string;
  readonly target: number;
}

/** A figure that must stay below something. */
export interface Bound {
  readonly what: string;
  readonly unit: string;
  readonly target: number;
  /** Undefined when it could not be measured. */
  readonly measured: number | undefined;
}

/** What a part of the benchmark is given. */
export interface Measuring {
  readonly scratch: string;
  readonly state: State;
  readonly machine: Machine;
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** One part of the benchmark, measured. */
export interface Part {
  readonly rounds: Rounds;
  readonly comparisons: readonly Comparison[];
  readonly bounds: readonly Bound[];
}

/** What became of one target, ready to be printed. */
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
        verdict: judge(measured && measured.median >= target),
      };
    }),
    ...bounds.map(
      ({ what, unit, target, measured }): Verdict => ({
        what,
        target: `≤ ${target} ${unit}`,
        measured: measured === undefined ? "—" : `${round(measured)} ${unit}`,
        byProcessor: "",
        verdict: judge(measured === undefined ? undefined : measured <= target),
      }),
    ),
  ];
}

const times = (ratio: number) => ratio.toFixed(2);
const round = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

function judge(reached: boolean | undefined): Verdict["verdict"] {
  if (reached === undefined) return "not measured";
  return reached ? "reached" : "falls short";
}
