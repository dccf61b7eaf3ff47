import { join } from "node:path";
import type { Machine } from "./machine.ts";
import { bun, on, runJson } from "./process.ts";
import type { Measurement } from "./rounds.ts";

/** Requests to `POST /creds`, as many as the server can handle. */
export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Public keys, one per line; each request uses the next one. */
  readonly publicKeysFile: string;
  /** OIDC tokens, one per line, used in turn. Without them each request has another user. */
  readonly tokensFile?: string | undefined;
  /** The number of the first request. */
  readonly first?: number | undefined;
}

export interface LoadResult extends Measurement {
  readonly requests: number;
  readonly p99: number;
}

interface LoadReport {
  readonly requests: number;
  readonly seconds: number;
  readonly p99: number;
  /** Responses other than 200, and requests without a response. */
  readonly failed: number;
}

export interface ConstantRate extends Omit<Load, "connections"> {
  /** Requests a second. */
  readonly rate: number;
}

/**
 * Sends requests at a constant rate, whether earlier ones have their responses or not, with the program in Go. A request
 * that waits counts with its whole time: there is no coordinated omission.
 * @throws if any response was not a 200
 */
export async function loadAtRate({ goPeers, cores }: Machine, load: ConstantRate): Promise<LoadResult> {
  if (!goPeers) throw new Error("a constant rate needs Go");
  const { url, rate, seconds, publicKeysFile, tokensFile = "", first = 0 } = load;
  const what = [String(rate), String(first), String(seconds), publicKeysFile, tokensFile];
  return checked(
    await runJson<LoadResult & { failed: number }>(
      on(cores?.load, [goPeers, "attack", `${url}/creds`, ...what]),
    ),
  );
}

/**
 * Generates the load with `wrk`, or with `autocannon` if there is no `wrk`, on its own core.
 * @throws if any response was not a 200: refusals are fast and would distort the result
 */
export async function load({ wrk, cores }: Machine, load: Load): Promise<LoadResult> {
  const { url, connections, seconds, publicKeysFile, tokensFile = "", first = 0 } = load;
  const what = [publicKeysFile, tokensFile, String(first)];
  const script = join(import.meta.dirname, "load/wrk.lua");
  const how = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script];
  const command = wrk
    ? [wrk, ...how, `${url}/creds`, "--", ...what]
    : bun("bench/load/without-wrk.ts", `${url}/creds`, String(connections), String(seconds), ...what);
  const report = await runJson<LoadReport>(on(cores?.load, command));
  return { ...checked(report), perSecond: report.requests / report.seconds };
}

function checked<T extends { readonly requests: number; readonly failed: number }>(report: T): T {
  if (report.requests === 0) throw new Error("the server sent no response");
  if (report.failed > 0) {
    throw new Error(
      `${report.failed} of ${report.requests} requests were refused or failed, so the measurement is invalid`,
    );
  }
  return report;
}
