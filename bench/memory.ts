import { ours } from "./http.ts";
import { load } from "./load.ts";
import type { Machine } from "./machine.ts";
import { residentBytes, serve } from "./process.ts";
import { spread } from "./rounds.ts";
import { publicKeysFile } from "./state.ts";
import type { Bound } from "./targets.ts";

/** The resources of the service: memory over a long run, and time to start. */

const CONNECTIONS = 32;
/** Seconds of load in one step. */
const STEP = 2;

export interface Sample {
  /** Credentials issued so far. */
  readonly credentials: number;
  /** Bytes. */
  readonly resident: number;
}

export interface Upkeep {
  /** The memory at the start and after each quarter. Empty if it could not be measured. */
  readonly samples: readonly Sample[];
  /** Milliseconds from start to the first 200 of `/readyz`, one for each start. */
  readonly starts: readonly number[];
}

export interface UpkeepOptions {
  readonly scratch: string;
  readonly machine: Machine;
  /** Total number of credentials to issue. */
  readonly credentials: number;
  readonly starts: number;
  readonly report: (line: string) => void;
}

export async function upkeep(options: UpkeepOptions): Promise<Upkeep> {
  const samples = await memory(options).catch((error: Error) => {
    options.report(`!! NO MEASUREMENT of the memory: ${error.message}`);
    return [];
  });
  const starts: number[] = [];
  for (let i = 0; i < options.starts; i++) {
    await using service = await serve(ours(options.scratch, undefined, { MINT_AUTH: "dev" }));
    starts.push(service.startedWithin);
  }
  options.report(`started ${starts.length} times`);
  return { samples, starts };
}

/** Each credential is for another user, so that memory that is kept for each caller is noticed. */
async function memory({ scratch, machine, credentials, report }: UpkeepOptions): Promise<Sample[]> {
  await using service = await serve(ours(scratch, machine.cores?.work, { MINT_AUTH: "dev" }));
  const samples: Sample[] = [{ credentials: 0, resident: residentBytes(service.pid) }];
  let issued = 0;
  let retries = 3;
  for (let quarter = 1; quarter <= 4; quarter++) {
    while (issued < (credentials * quarter) / 4) {
      const step = { url: service.url, connections: CONNECTIONS, seconds: STEP, first: issued };
      try {
        issued += (await load(machine, { ...step, publicKeysFile: publicKeysFile(scratch) })).requests;
      } catch (error) {
        // The memory of earlier steps is still valid, so the run continues.
        if (--retries < 0) throw error;
        report(`!! ${STEP} s of load are not counted: ${(error as Error).message}`);
      }
    }
    const sample = { credentials: issued, resident: residentBytes(service.pid) };
    samples.push(sample);
    report(`${issued} credentials: ${megabytes(sample.resident).toFixed(1)} MB resident`);
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
      what: "growth of memory in the second half",
      unit: "%",
      target: 5,
      measured: end && half && (end.resident / half.resident - 1) * 100,
    },
    { what: "start to ready", unit: "ms", target: 400, measured: spread(starts)?.median },
  ];
}
