import { ours } from "./http.ts";
import { load } from "./load.ts";
import type { Machine } from "./machine.ts";
import { residentBytes, serve } from "./process.ts";
import { spread } from "./rounds.ts";
import { publicKeysFile } from "./state.ts";
import type { Bound } from "./targets.ts";

/** What the service takes of a machine: memory over a long run, and time to start. */

const CONNECTIONS = 32;
/** Seconds of load between two looks at the memory. */
const STEP = 2;

export interface Sample {
  /** Credentials given so far. */
  readonly credentials: number;
  /** Bytes. */
  readonly resident: number;
}

export interface Upkeep {
  /** The memory at the start and after each quarter. Empty when it could not be measured. */
  readonly samples: readonly Sample[];
  /** Milliseconds from start to the first 200 of `/readyz`, one for each start. */
  readonly starts: readonly number[];
}

export interface UpkeepOptions {
  readonly scratch: string;
  readonly machine: Machine;
  /** How many to give in all. */
  readonly credentials: number;
  readonly starts: number;
  readonly say: (line: string) => void;
}

export async function upkeep(options: UpkeepOptions): Promise<Upkeep> {
  const samples = await memory(options).catch((error: Error) => {
    options.say(`!! NO MEASUREMENT of the memory: ${error.message}`);
    return [];
  });
  const starts: number[] = [];
  for (let i = 0; i < options.starts; i++) {
    await using service = await serve(ours(options.scratch, undefined, { MINT_AUTH: "dev" }));
    starts.push(service.startedWithin);
  }
  options.say(`started ${starts.length} times`);
  return { samples, starts };
}

/** Each credential is for another user: what is kept by caller would show. */
async function memory({ scratch, machine, credentials, say }: UpkeepOptions): Promise<Sample[]> {
  await using service = await serve(ours(scratch, machine.cores?.work, { MINT_AUTH: "dev" }));
  const samples: Sample[] = [{ credentials: 0, resident: residentBytes(service.pid) }];
  let given = 0;
  let patience = 3;
  for (let quarter = 1; quarter <= 4; quarter++) {
    while (given < (credentials * quarter) / 4) {
      const step = { url: service.url, connections: CONNECTIONS, seconds: STEP, first: given };
      try {
        given += (await load(machine, { ...step, publicKeysFile: publicKeysFile(scratch) })).requests;
      } catch (error) {
        // What it has given before is in its memory all the same.
        if (--patience < 0) throw error;
        say(`!! ${STEP} s are not counted: ${(error as Error).message}`);
      }
    }
    const sample = { credentials: given, resident: residentBytes(service.pid) };
    samples.push(sample);
    say(`${given} credentials: ${megabytes(sample.resident).toFixed(1)} MB resident`);
  }
  return samples;
}

export const megabytes = (bytes: number) => bytes / 1e6;

export function upkeepBounds({ samples, starts }: Upkeep): Bound[] {
  const [, , half, , end] = samples;
  return [
    {
      what: "resident memory at the end",
      unit: "MB",
      target: 150,
      measured: end && megabytes(end.resident),
    },
    {
      what: "its growth in the last half",
      unit: "%",
      target: 5,
      measured: end && half && (end.resident / half.resident - 1) * 100,
    },
    { what: "start to ready", unit: "ms", target: 400, measured: spread(starts)?.median },
  ];
}
