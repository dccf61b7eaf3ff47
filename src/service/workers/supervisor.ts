import type { MintConfig } from "../../config/mint.ts";
import { createLog, type Logger, logCrashes } from "../../telemetry/log.ts";
import { aborted } from "../../util/aborted.ts";
import { withTimeout } from "../../util/timeout.ts";
import { listensOn } from "../listen.ts";
import { createPool, type Pool } from "./pool.ts";
import { keepRunning } from "./restart.ts";
import type { WorkerProcess } from "./worker-process.ts";

/**
 * Starts this program several times, as workers that share one port, and restarts those that end. All workers end with
 * this process. It serves nothing itself.
 */

/** Milliseconds to pass on the last log lines of the workers. */
const LOG_TIMEOUT = 1000;
/** Milliseconds for workers to stop. They need 8 s, and one for the log; a container is killed after 10 s. */
const STOP_TIMEOUT = 9500;

export interface SuperviseOptions {
  readonly config: MintConfig;
  /** Stops the workers, and then the supervisor. */
  readonly stopping: AbortSignal;
}

/** Why there are no workers any more. */
type Outcome = "stopped" | "failed";

/** Runs until all workers have ended. Resolves with the exit code of the process. */
export async function supervise({ config, stopping }: SuperviseOptions): Promise<number> {
  const logging = createLog();
  logCrashes(logging);
  const pool = createPool(logging);
  endWithThisProcess(pool, stopping);
  const outcome = await run(pool, logging.log, { config, stopping });
  pool.close();
  await withTimeout(pool.logsPassed(), LOG_TIMEOUT, () => {});
  await logging.close();
  return outcome === "stopped" ? 0 : 1;
}

function endWithThisProcess(pool: Pool, stopping: AbortSignal): void {
  process.on("exit", () => pool.kill("SIGKILL"));
  stopping.addEventListener("abort", () => {
    pool.kill("SIGTERM");
    setTimeout(() => pool.kill("SIGKILL"), STOP_TIMEOUT).unref();
  });
}

async function run(pool: Pool, log: Logger, { config, stopping }: SuperviseOptions): Promise<Outcome> {
  // A wrong file ends the first worker, which reports it once. The other workers would only repeat that.
  const first = pool.start(1);
  if (!(await first.ready) || stopping.aborted) return firstEnded(first, log, stopping);

  const gaveUp = new AbortController();
  const ending = AbortSignal.any([stopping, gaveUp.signal]);
  const { workers: count } = config;
  let notReady = count;

  async function keep(number: number): Promise<void> {
    let isFirstTime = true;
    const outcome = await keepRunning({
      worker: number === 1 ? first : pool.start(number),
      start: () => pool.start(number),
      anyReady: () => pool.ready().length > 0,
      onReady() {
        if (isFirstTime && --notReady === 0) {
          log.info(`${listensOn(config)}, with ${count} workers`);
        }
        isFirstTime = false;
      },
      ending,
      log,
    });
    if (outcome === "gave up") gaveUp.abort();
  }

  const kept = Array.from({ length: count }, (_, i) => keep(i + 1));
  await Promise.race([Promise.all(kept), aborted(gaveUp.signal)]);
  return gaveUp.signal.aborted ? "failed" : "stopped";
}

/** Waits for the end of the first worker, which was not ready or is to stop. */
async function firstEnded(first: WorkerProcess, log: Logger, stopping: AbortSignal): Promise<Outcome> {
  const { how, exited } = await first.ended;
  if (stopping.aborted) return "stopped";
  if (!exited) {
    log.error({ worker: first.number, how }, "the first worker ended before it was ready: the mint gives up");
  }
  return "failed";
}
