import { afterAll } from "bun:test";

/** Figures for people: no test depends on them. Printed when a file's tests are done. */
const lines: string[] = [];

export function measure(what: string, ...figures: (string | number)[]): void {
  const text = figures.map((figure) => (typeof figure === "number" ? `${Math.round(figure)} ms` : figure));
  lines.push(`  ${what}: ${text.join(", ")}`);
}

/** Has them printed at the end of the file that calls this. */
export function printMeasures(): void {
  afterAll(() => {
    if (lines.length > 0) console.log(`\nmeasured\n${lines.splice(0).join("\n")}\n`);
  });
}
