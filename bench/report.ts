import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bar, chart, figure } from "./chart.ts";
import type { Machine } from "./machine.ts";
import { megabytes, type Upkeep } from "./memory.ts";
import { type Rounds, spread, spreadOf } from "./rounds.ts";
import type { PartOptions, Verdict } from "./targets.ts";

/** Writes the results into `docs/performance.md`, between markers, so that the text around them is kept. */

const docsDir = join(import.meta.dirname, "../docs");
const document = join(docsDir, "performance.md");

/** Replaces the block with this name, or appends it at the end. */
export function writeBlock(name: string, lines: readonly string[]): void {
  const [begin, end] = [`<!-- bench:begin ${name} -->`, `<!-- bench:end ${name} -->`];
  const block = [begin, "", ...lines, "", end].join("\n");
  const text = existsSync(document) ? readFileSync(document, "utf8") : "# Performance\n";
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  const found = from >= 0 && to > from;
  writeFileSync(
    document,
    found ? text.slice(0, from) + block + text.slice(to + end.length) : `${text}\n${block}\n`,
  );
}

/** @returns the line of Markdown that shows the chart */
export function writeChart(name: string, title: string, rounds: Rounds): string {
  const bars = [...rounds.keys()].flatMap((label): Bar[] => {
    const measured = spreadOf(rounds, label);
    return measured ? [{ label, ...measured, ours: label.startsWith("nats-mint") }] : [];
  });
  mkdirSync(join(docsDir, "performance"), { recursive: true });
  writeFileSync(join(docsDir, "performance", `${name}.svg`), chart(title, bars));
  return `![${title}](performance/${name}.svg)`;
}

export type Length = Pick<PartOptions, "rounds" | "seconds">;

/** The machine, the programs and the duration of a measurement. */
export function conditions({ description, missing }: Machine, { rounds, seconds }: Length): string {
  const how = `${rounds} rounds of ${seconds} s each, in turn; median, minimum and maximum.`;
  return [`${description}; ${how}`, ...missing].join(" ");
}

/** A table with one row for each contender. */
export function roundsTable(rounds: Rounds): string[] {
  const hasLatency = [...rounds.values()].flat().some((measured) => measured?.p99 !== undefined);
  const rows = [...rounds.keys()].map((name) => {
    const perSecond = spreadOf(rounds, name);
    const p99 = spreadOf(rounds, name, "p99");
    return [
      name,
      perSecond ? figure(perSecond.median) : "not measured",
      perSecond ? `${figure(perSecond.least)} to ${figure(perSecond.most)}` : "",
      ...(hasLatency ? [p99 ? `${p99.median.toFixed(1)} ms` : ""] : []),
    ];
  });
  return table(["contender", "per second", "from, to", ...(hasLatency ? ["p99"] : [])], rows);
}

/** The latencies at constant rates: a row for each contender, a column for each rate. */
export function ratesTable(atRates: ReadonlyMap<number, Rounds>): string[] {
  const names = [...new Set([...atRates.values()].flatMap((rounds) => [...rounds.keys()]))];
  const cell = (rounds: Rounds, name: string) => {
    const all = (["p50", "p99", "p999"] as const).map((of) => spreadOf(rounds, name, of)?.median.toFixed(1));
    return all.includes(undefined) ? "not measured" : all.join(" / ");
  };
  return table(
    ["p50 / p99 / p99.9, in ms", ...[...atRates.keys()].map((rate) => `${figure(rate)} a second`)],
    names.map((name) => [name, ...[...atRates.values()].map((rounds) => cell(rounds, name))]),
  );
}

export function verdictsTable(verdicts: readonly Verdict[]): string[] {
  return table(
    ["what", "target", "measured", "by processor time", ""],
    verdicts.map(({ what, target, measured, byProcessor, verdict }) => [
      what,
      target,
      measured,
      byProcessor,
      verdict,
    ]),
  );
}

export function upkeepTable({ samples, starts }: Upkeep): string[] {
  const memory = samples.map(({ credentials, resident }) => [
    figure(credentials),
    `${megabytes(resident).toFixed(1)} MB`,
  ]);
  const started = spread(starts);
  return [
    ...table(["credentials issued", "resident memory"], memory),
    "",
    started
      ? `From start to the first 200 of \`/readyz\`: ${started.median.toFixed(0)} ms (${started.least.toFixed(0)} to ${started.most.toFixed(0)}, ${starts.length} starts).`
      : "The start was not measured.",
  ];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)];
}
