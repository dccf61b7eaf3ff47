import type { Logger } from "../../telemetry/log.ts";
import type { WorkerProcess } from "./worker-process.ts";

/**
 * Kills workers that hang. The system still gives such a worker its share of the connections, which would never get a
 * response. Missing responses are counted, not time: after the whole machine was suspended, none is missing.
 */

/** Milliseconds between two requests to a worker. */
const INTERVAL = 5000;
/** Requests in a row without a response after which a worker is killed. */
const MAX_UNANSWERED = 3;

export interface HangWatch {
  /** To be called for each response of a worker. */
  readonly responded: (worker: WorkerProcess) => void;
  /** Stops the timer. */
  readonly stop: () => void;
}

/** @param ready the workers to watch, at the time of the call */
export function watchForHangs(ready: () => readonly WorkerProcess[], log: Logger): HangWatch {
  const unanswered = new WeakMap<WorkerProcess, number>();

  function check(worker: WorkerProcess): void {
    const count = unanswered.get(worker) ?? 0;
    unanswered.set(worker, count + 1);
    if (count < MAX_UNANSWERED) worker.send({ type: "snapshot-request" });
    else {
      log.error({ worker: worker.number }, "worker does not respond and is killed");
      worker.kill("SIGKILL");
    }
  }

  const timer = setInterval(() => ready().forEach(check), INTERVAL);
  return {
    responded: (worker) => unanswered.delete(worker),
    stop: () => clearInterval(timer),
  };
}
