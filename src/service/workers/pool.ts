import { createAggregate } from "../../telemetry/aggregate.ts";
import { logUnexpected, type ServiceLog } from "../../telemetry/log.ts";
import { watchForHangs } from "./hangs.ts";
import type { FromWorker } from "./messages.ts";
import { startWorker, type WorkerProcess } from "./worker-process.ts";

/** The running workers: their messages, their logs, and the metrics of all of them. */

export interface Pool {
  /** Starts a worker, in place of the one that had this number before. */
  readonly start: (number: number) => WorkerProcess;
  /** The workers that requests can reach. */
  readonly ready: () => readonly WorkerProcess[];
  /** Sends a signal to all workers. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves when the logs of all workers that have ended were passed on. */
  readonly logsPassed: () => Promise<void>;
  /** Stops the timer. To be called when all workers have ended. */
  readonly close: () => void;
}

export function createPool({ log, pass }: ServiceLog): Pool {
  const workers = new Map<number, WorkerProcess>();
  const logs = new Set<Promise<void>>();
  const ready = () => [...workers.values()].filter(({ state }) => state === "ready");
  const hangs = watchForHangs(ready, log);
  const aggregate = createAggregate({
    requestSnapshots() {
      const asked = ready();
      for (const worker of asked) worker.send({ type: "snapshot-request" });
      return asked.map(({ number }) => number);
    },
  });

  function onMessage(worker: WorkerProcess, message: FromWorker): void {
    switch (message.type) {
      case "ready":
        log.info({ worker: worker.number, pid: worker.pid }, "worker ready");
        break;
      case "snapshot":
        hangs.responded(worker);
        aggregate.report(worker.number, message.snapshot);
        break;
      case "aggregate-request":
        void sendAggregate(worker);
    }
  }

  async function sendAggregate(worker: WorkerProcess): Promise<void> {
    const body = await aggregate.collect().catch(logUnexpected(log));
    worker.send(body === undefined ? { type: "aggregate" } : { type: "aggregate", body });
  }

  return {
    start(number) {
      const worker = startWorker({ number, onMessage, passLog: pass });
      workers.set(number, worker);
      void worker.ended.then(() => {
        workers.delete(number);
        aggregate.ended(number);
      });
      const passed = worker.logPassed.finally(() => logs.delete(passed));
      logs.add(passed);
      return worker;
    },
    ready,
    kill(signal) {
      for (const worker of workers.values()) worker.kill(signal);
    },
    async logsPassed() {
      await Promise.all(logs);
    },
    close: hangs.stop,
  };
}
