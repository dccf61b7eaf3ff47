import { rmSync } from "node:fs";
import { http } from "./http.ts";
import { libraries, librariesTable } from "./libraries.ts";
import { inspectMachine } from "./machine.ts";
import { upkeep, upkeepBounds } from "./memory.ts";
import { minting } from "./minting.ts";
import { natsSide } from "./nats/part.ts";
import { natsBlock } from "./nats/report.ts";
import {
  conditions,
  type Length,
  ratesTable,
  roundsTable,
  upkeepTable,
  verdictsTable,
  writeBlock,
  writeChart,
} from "./report.ts";
import type { Rounds } from "./rounds.ts";
import { makeScratch, makeState } from "./state.ts";
import { type Part, type Verdict, verdicts } from "./targets.ts";

/**
 * `npm run bench`: measures, and writes docs/performance.md. `npm run bench -- minting` measures one part: `minting`,
 * `http`, `memory`, `nats` or `libraries`. With `--check` it is shorter, writes nothing, and prints the targets and the
 * results. It fails only if it can't measure, not if a target is missed.
 */

const PARTS = ["minting", "http", "memory", "nats", "libraries"];

const args = process.argv.slice(2);
const isCheck = args.includes("--check");
const requested = args.filter((word) => word !== "--check");
if (!requested.every((word) => PARTS.includes(word))) {
  console.error(`npm run bench -- [--check] [${PARTS.join("] [")}]`);
  process.exit(2);
}
const wanted = (part: string) => requested.length === 0 || requested.includes(part);
const length = isCheck ? { rounds: 3, seconds: 2 } : { rounds: 5, seconds: 3 };
/** For servers, which are warmed up only once. Short rounds reduce the effect of changes of the machine. */
const short = { rounds: length.rounds * length.seconds, seconds: 1 };

const scratch = makeScratch();
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const report = (line: string) => console.log(line);
const state = await makeState(scratch);
const machine = await inspectMachine(scratch);
report(machine.description);
for (const sentence of machine.missing) report(`!! ${sentence}`);

const all: Verdict[] = [];
let measured = 0;
let httpRounds: Rounds | undefined;

if (wanted("minting")) {
  const part = await minting({ scratch, state, machine, ...length, report });
  finish("minting", "User JWTs per second, on one core", part, length);
}
if (wanted("http")) {
  const part = await http({ scratch, state, machine, ...short, report });
  finish("http", "Responses to POST /creds per second", part, short);
  httpRounds = part.rounds;
}
if (wanted("memory")) {
  const taken = await upkeep({ scratch, machine, credentials: 1_000_000, starts: 10, report });
  const bounds = upkeepBounds(taken);
  const found = verdicts({ rounds: new Map(), comparisons: [], bounds });
  all.push(...found);
  measured += taken.samples.length;
  if (!isCheck)
    writeBlock("memory", [machine.description, "", ...upkeepTable(taken), "", ...verdictsTable(found)]);
}
// This part has no targets, so `--check` alone leaves it out.
if (wanted("nats") && !(isCheck && requested.length === 0)) {
  const taken = await natsSide({ scratch, state, machine, report });
  measured += taken.logins.length;
  const block = natsBlock(taken, machine, httpRounds);
  if (isCheck) for (const line of block) report(line);
  else writeBlock("nats", block);
}
// This part has no targets either.
if (wanted("libraries") && !(isCheck && requested.length === 0)) {
  const roundsOfSeven = { rounds: 7, seconds: 1 };
  const rounds = await libraries({ scratch, state, machine, ...roundsOfSeven, report });
  measured += [...rounds.values()].flat().filter(Boolean).length;
  const block = librariesTable(rounds);
  if (isCheck) for (const line of block) report(line);
  // This part needs none of the programs that may be missing.
  else writeBlock("libraries", [conditions({ ...machine, missing: [] }, roundsOfSeven), "", ...block]);
}

report("");
for (const line of verdictsTable(all)) report(line);
if (measured === 0) {
  console.error("nothing could be measured");
  process.exit(1);
}

function finish(name: string, title: string, part: Part, length: Length): void {
  const found = verdicts(part);
  all.push(...found);
  measured += [...part.rounds.values()].flat().filter(Boolean).length;
  if (isCheck) {
    for (const line of part.atRates ? ratesTable(part.atRates) : []) report(line);
    return;
  }
  writeBlock(name, [
    conditions(machine, length),
    "",
    writeChart(name, title, part.rounds),
    "",
    ...roundsTable(part.rounds),
    "",
    ...(part.atRates ? [...ratesTable(part.atRates), ""] : []),
    ...verdictsTable(found),
  ]);
}
