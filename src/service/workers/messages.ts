import type { MetricsSnapshot } from "../../telemetry/aggregate.ts";

/** The messages between a worker and its supervisor, over the IPC channel of the two processes. */

export type FromWorker =
  /** The worker accepts requests now. */
  | { readonly type: "ready" }
  /** Requests the metrics of all workers; the response is `aggregate`. */
  | { readonly type: "aggregate-request" }
  /** The response to `snapshot-request`. */
  | { readonly type: "snapshot"; readonly snapshot: MetricsSnapshot };

export type ToWorker =
  /** Requests the worker's metrics; the response is `snapshot`. Also shows whether the worker still responds. */
  | { readonly type: "snapshot-request" }
  /** The metrics of all workers, as text for Prometheus; without `body` when they could not be collected. */
  | { readonly type: "aggregate"; readonly body?: string };
