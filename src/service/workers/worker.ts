import { CONTENT_TYPE, type MetricsSnapshot } from "../../telemetry/aggregate.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** This process as one of several workers: its side of the messages between worker and supervisor. */

export interface Worker {
  /** From 1. A worker that replaces another has the same number. */
  readonly number: number;
  /**
   * Reports that requests are accepted now. From then on each `snapshot-request` gets the result of `snapshot`.
   * Exits with 0 when the supervisor is gone.
   */
  readonly ready: (snapshot: () => Promise<MetricsSnapshot>) => void;
  /**
   * The metrics of all workers. To be given to `createApp` as `metrics`.
   * @throws {Error} when the supervisor is gone, or sends nothing within five seconds
   */
  readonly aggregate: () => Promise<{ body: string; contentType: string }>;
}

/** The word before the number on a worker's command line. */
export const WORKER = "worker";

/** Milliseconds to wait for the supervisor's response. */
const TIMEOUT = 5000;

/** This process as a worker; undefined if no supervisor started it. */
export function thisWorker(): Worker | undefined {
  const [word, number] = process.argv.slice(2);
  if (word !== WORKER || !process.send) return undefined;
  /** The request for the metrics of all workers that is under way. */
  let pending: ReturnType<typeof Promise.withResolvers<string>> | undefined;
  let snapshot: (() => Promise<MetricsSnapshot>) | undefined;

  const send = (message: FromWorker) => process.send?.(message);

  async function onMessage(message: ToWorker): Promise<void> {
    if (message.type === "snapshot-request") {
      if (snapshot) send({ type: "snapshot", snapshot: await snapshot() });
    } else if (message.body === undefined) fail();
    else {
      pending?.resolve(message.body);
      pending = undefined;
    }
  }

  function fail(): void {
    pending?.reject(noMetrics());
    pending = undefined;
  }

  process.on("message", onMessage);
  process.on("disconnect", fail);

  return {
    number: Number(number),
    ready(takeSnapshot) {
      // It ended before this process watched for that, so nothing would ever stop this process.
      if (!process.connected) process.exit(0);
      snapshot = takeSnapshot;
      send({ type: "ready" });
    },
    async aggregate() {
      if (!process.connected) throw noMetrics();
      // Calls while a request is under way share its response.
      if (!pending) {
        const request = Promise.withResolvers<string>();
        pending = request;
        setTimeout(() => pending === request && fail(), TIMEOUT).unref();
        send({ type: "aggregate-request" });
      }
      return { body: await pending.promise, contentType: CONTENT_TYPE };
    },
  };
}

const noMetrics = () => new Error("the supervisor sends no metrics");
