import { PAIRS, type Pair } from "./libraries/contenders.ts";
import { megabytes } from "./memory.ts";
import { bun, on, runJson } from "./process.ts";
import { table } from "./report.ts";
import { type Contender, type Measurement, measureInTurn, type Rounds, spreadOf } from "./rounds.ts";
import type { PartOptions } from "./targets.ts";

/** Compares libraries with hand-written code for the same work, each in its own process, in turn. */

/** Microseconds of processor time per request, when the machine is fast: see "Where the time of a request goes" in docs/performance.md. */
const REQUEST = 115;

export async function libraries({ machine, rounds, seconds, report }: PartOptions): Promise<Rounds> {
  const contender = (pair: string, side: Side): Contender => ({
    name: nameOf(pair, side),
    measure: () =>
      runJson<Measurement>(
        on(machine.cores?.work, bun("bench/libraries/run.ts", pair, side, String(seconds))),
      ),
  });
  const contenders = Object.keys(PAIRS).flatMap((pair) => [
    contender(pair, "handMade"),
    contender(pair, "library"),
  ]);
  return measureInTurn(contenders, rounds, report);
}

/** A table with one row for each pair. */
export function librariesTable(rounds: Rounds): string[] {
  const rows = Object.entries(PAIRS).map(([pair, { what }]) => {
    const [handMade, library] = [measuredOf(rounds, pair, "handMade"), measuredOf(rounds, pair, "library")];
    if (!handMade || !library) return [what, "not measured", "", "", "", ""];
    const difference = library.microseconds - handMade.microseconds;
    return [
      what,
      `${handMade.microseconds.toFixed(2)} µs`,
      `${library.microseconds.toFixed(2)} µs`,
      `${((difference / REQUEST) * 100).toFixed(1)} %`,
      `${handMade.megabytes.toFixed(0)} MB`,
      `${library.megabytes.toFixed(0)} MB`,
    ];
  });
  const head = [
    "what",
    "hand-written",
    "library",
    `difference, relative to a request of ${REQUEST} µs`,
    "memory, hand-written",
    "memory, library",
  ];
  return table(head, rows);
}

type Side = keyof Pick<Pair, "library" | "handMade">;

const nameOf = (pair: string, side: Side) => `${pair}, ${side === "library" ? "library" : "hand-written"}`;

function measuredOf(rounds: Rounds, pair: string, side: Side) {
  const perSecond = spreadOf(rounds, nameOf(pair, side), "perProcessorSecond");
  const grownBy = spreadOf(rounds, nameOf(pair, side), "grownBy");
  if (!perSecond || !grownBy) return undefined;
  return { microseconds: 1e6 / perSecond.median, megabytes: megabytes(grownBy.median) };
}
