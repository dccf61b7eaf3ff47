import type { Figures } from "../../telemetry/totals.ts";

/** What a worker and its supervisor say to each other, over the channel between the two. */

export type FromWorker =
  /** Requests are answered now. */
  | { readonly type: "listening" }
  /** Asks for what all workers have counted. */
  | { readonly type: "totals" }
  /** What this worker has counted, because it was asked. */
  | { readonly type: "figures"; readonly figures: Figures };

export type ToWorker =
  /** Asks for what the worker has counted. */
  | { readonly type: "figures" }
  /** What all workers have counted, as text for Prometheus; without it, it could not be found out. */
  | { readonly type: "totals"; readonly body?: string };
