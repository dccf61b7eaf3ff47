import { residentBytes } from "../process.ts";
import { PAIRS } from "./contenders.ts";

/**
 * Measures one side of one pair: `<pair> library|handMade <seconds>` on its command line. Prints one line of JSON:
 * operations per second, operations per second of processor time, and the growth of the process in bytes.
 */

const [, , pair = "", side = "", seconds = "1"] = process.argv;
const work = PAIRS[pair]?.[side === "library" ? "library" : "handMade"]();
if (!work) throw new Error(`unknown pair "${pair}"; use one of ${Object.keys(PAIRS).join(", ")}`);

/** Operations between two readings of the clock, which takes as long as some operations. */
const BATCH = 1000;
let done = 0;

function run(milliseconds: number) {
  const began = performance.now();
  const usedBefore = process.cpuUsage();
  const before = done;
  while (performance.now() - began < milliseconds) {
    for (let i = 0; i < BATCH; i++) work?.(done++);
  }
  const count = done - before;
  const { user, system } = process.cpuUsage(usedBefore);
  return {
    perSecond: (count / (performance.now() - began)) * 1e3,
    perProcessorSecond: (count / (user + system)) * 1e6,
  };
}

const residentBefore = residentBytes(process.pid);
run(Number(seconds) * 500);
const measured = run(Number(seconds) * 1000);
console.log(JSON.stringify({ ...measured, grownBy: residentBytes(process.pid) - residentBefore }));
