import { setTimeout as after } from "node:timers/promises";
import type { Logger } from "../../telemetry/log.ts";
import { backoffDelay } from "../../util/backoff.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** Restarts a worker whenever it ends. */

/** Milliseconds before a worker is restarted; doubled with each failure in a row, up to the maximum. */
const FIRST_DELAY = 100;
const MAX_DELAY = 5000;
/** Milliseconds that a worker must be ready for its earlier failures to be forgotten. */
const STEADY = 10_000;
/** Failures in a row after which a worker that does not become ready is given up, while no other worker is ready. */
const MAX_FAILURES = 5;

export interface KeepOptions {
  /** The worker, started. */
  readonly worker: WorkerProcess;
  /** Starts another in its place. */
  readonly start: () => WorkerProcess;
  /** Whether requests can reach some worker. */
  readonly anyReady: () => boolean;
  /** Called each time that the worker is ready. */
  readonly onReady: () => void;
  /** Ends the restarts. */
  readonly ending: AbortSignal;
  readonly log: Logger;
}

/**
 * Restarts a worker each time that it ends.
 * @returns `stopped` when it has ended after `ending`, `gave up` when it can't be started and no other worker is ready
 */
export async function keepRunning(options: KeepOptions): Promise<"stopped" | "gave up"> {
  const { start, anyReady, onReady, ending, log } = options;
  let { worker } = options;
  let failures = 0;
  for (;;) {
    const wasReady = await worker.ready;
    if (wasReady) onReady();
    const since = performance.now();
    const { how } = await worker.ended;
    if (ending.aborted) return "stopped";
    if (wasReady && performance.now() - since > STEADY) failures = 0;
    failures++;
    if (!wasReady && failures >= MAX_FAILURES && !anyReady()) {
      log.error(
        { worker: worker.number, how },
        "workers end again and again before they are ready: the mint gives up",
      );
      return "gave up";
    }
    const delay = backoffDelay(failures - 1, { first: FIRST_DELAY, longest: MAX_DELAY });
    log.error(
      { worker: worker.number, how, milliseconds: delay },
      "worker ended unexpectedly and is restarted",
    );
    await after(delay, undefined, { signal: ending }).catch(() => {});
    if (ending.aborted) return "stopped";
    worker = start();
  }
}
