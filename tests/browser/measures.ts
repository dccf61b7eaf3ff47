import { afterAll } from "bun:test";

/** Measurements for readers of the log; no test depends on them. */
const lines: string[] = [];

export function measure(what: string, ...figures: (string | number)[]): void {
  const text = figures.map((figure) => (typeof figure === "number" ? `${Math.round(figure)} ms` : figure));
  lines.push(`  ${what}: ${text.join(", ")}`);
}

/** Prints the measurements when the tests of the calling file have ended. */
export function printMeasures(): void {
  afterAll(() => {
    if (lines.length > 0) console.log(`\nmeasured\n${lines.splice(0).join("\n")}\n`);
  });
}
