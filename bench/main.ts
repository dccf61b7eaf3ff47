import { rmSync } from "node:fs";
import { http } from "./http.ts";
import { libraries, librariesTable } from "./libraries.ts";
import { lookAround } from "./machine.ts";
import { upkeep, upkeepBounds } from "./memory.ts";
import { minting } from "./minting.ts";
import { natsSide } from "./nats/part.ts";
import { natsBlock } from "./nats/report.ts";
import {
  howMeasured,
  type Length,
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
 * `http`, `memory`, `nats` or `libraries`. With `--check` it is shorter, writes nothing, and prints what was to be reached and what was.
 * It measures and never judges: it fails only when it can't measure.
 */

const PARTS = ["minting", "http", "memory", "nats", "libraries"];

const words = process.argv.slice(2);
const isCheck = words.includes("--check");
const asked = words.filter((word) => word !== "--check");
if (!asked.every((word) => PARTS.includes(word))) {
  console.error(`npm run bench -- [--check] [${PARTS.join("] [")}]`);
  process.exit(2);
}
const wanted = (part: string) => asked.length === 0 || asked.includes(part);
const length = isCheck ? { rounds: 3, seconds: 2 } : { rounds: 5, seconds: 3 };
/** For servers, which are warmed up only once: the less time passes between two, the less the machine has changed. */
const short = { rounds: length.rounds * length.seconds, seconds: 1 };

const scratch = makeScratch();
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const say = (line: string) => console.log(line);
const state = await makeState(scratch);
const machine = await lookAround(scratch);
say(machine.description);
for (const sentence of machine.missing) say(`!! ${sentence}`);

const all: Verdict[] = [];
let measured = 0;
let httpRounds: Rounds | undefined;

if (wanted("minting")) {
  const part = await minting({ scratch, state, machine, ...length, say });
  finish("minting", "User JWTs a second, on one core", part, length);
}
if (wanted("http")) {
  const part = await http({ scratch, state, machine, ...short, say });
  finish("http", "Answers to POST /creds a second", part, short);
  httpRounds = part.rounds;
}
if (wanted("memory")) {
  const taken = await upkeep({ scratch, machine, credentials: 1_000_000, starts: 10, say });
  const bounds = upkeepBounds(taken);
  const found = verdicts({ rounds: new Map(), comparisons: [], bounds });
  all.push(...found);
  measured += taken.samples.length;
  if (!isCheck)
    writeBlock("memory", [machine.description, "", ...upkeepTable(taken), "", ...verdictsTable(found)]);
}
// It has no targets: there is nothing to check.
if (wanted("nats") && !(isCheck && asked.length === 0)) {
  const taken = await natsSide({ scratch, state, machine, say });
  measured += taken.logins.length;
  const block = natsBlock(taken, machine, httpRounds);
  if (isCheck) for (const line of block) say(line);
  else writeBlock("nats", block);
}
// It has no targets either.
if (wanted("libraries") && !(isCheck && asked.length === 0)) {
  const seven = { rounds: 7, seconds: 1 };
  const rounds = await libraries({ scratch, state, machine, ...seven, say });
  measured += [...rounds.values()].flat().filter(Boolean).length;
  const block = librariesTable(rounds);
  if (isCheck) for (const line of block) say(line);
  // It uses none of the programs that may be missing.
  else writeBlock("libraries", [howMeasured({ ...machine, missing: [] }, seven), "", ...block]);
}

say("");
for (const line of verdictsTable(all)) say(line);
if (measured === 0) {
  console.error("nothing could be measured");
  process.exit(1);
}

function finish(name: string, title: string, part: Part, length: Length): void {
  const found = verdicts(part);
  all.push(...found);
  measured += [...part.rounds.values()].flat().filter(Boolean).length;
  if (isCheck) return;
  writeBlock(name, [
    howMeasured(machine, length),
    "",
    writeChart(name, title, part.rounds),
    "",
    ...roundsTable(part.rounds),
    "",
    ...verdictsTable(found),
  ]);
}
