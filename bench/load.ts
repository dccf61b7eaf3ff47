import { join } from "node:path";
import type { Machine } from "./machine.ts";
import { answerOf, bun, on } from "./process.ts";
import type { Measurement } from "./rounds.ts";

/** Requests to `POST /creds`, as many as the server answers. */
export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Public keys, one a line; each request has the next one. */
  readonly publicKeysFile: string;
  /** OIDC tokens, one a line; after the last comes the first. Without them each request names another user. */
  readonly tokensFile?: string | undefined;
  /** The number of the first request. */
  readonly first?: number | undefined;
}

export interface Loaded extends Measurement {
  readonly requests: number;
  readonly p99: number;
}

interface Report {
  readonly requests: number;
  readonly seconds: number;
  readonly p99: number;
  /** Answers other than 200, and requests without one. */
  readonly failed: number;
}

/**
 * Makes the load with `wrk`, or with `autocannon` where there is none, on a core of its own.
 * @throws when anything but 200 came back: refusals are quick, and would look like speed
 */
export async function load({ wrk, cores }: Machine, load: Load): Promise<Loaded> {
  const { url, connections, seconds, publicKeysFile, tokensFile = "", first = 0 } = load;
  const what = [publicKeysFile, tokensFile, String(first)];
  const script = join(import.meta.dirname, "load/wrk.lua");
  const how = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script];
  const command = wrk
    ? [wrk, ...how, `${url}/creds`, "--", ...what]
    : bun("bench/load/without-wrk.ts", `${url}/creds`, String(connections), String(seconds), ...what);
  const report = await answerOf<Report>(on(cores?.load, command));
  if (report.requests === 0) throw new Error("there were no answers");
  if (report.failed > 0) {
    throw new Error(
      `${report.failed} of ${report.requests} requests were refused or failed, so nothing of it counts`,
    );
  }
  return { perSecond: report.requests / report.seconds, requests: report.requests, p99: report.p99 };
}
