import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Answered, Decision } from "../core/decision.ts";

/** What the service counts, for Prometheus. Labels have few values, known beforehand: no name, no address, no path. */

export interface MetricsOptions {
  readonly version: string;
  /** How old each issuer's keys are. */
  readonly keyAges?: () => readonly { readonly issuer: string; readonly seconds: number }[];
  /** Lines of the log that were lost. */
  readonly droppedLines?: () => number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface Metrics {
  /** To be given to `createApp` as `onAnswer`. */
  readonly answered: (answer: Answered) => void;
  /** To be told of each decision, beside the audit. */
  readonly decided: (decision: Decision) => void;
  /** To be told when keys were loaded, and when there were new ones that could not be used. */
  readonly keysLoaded: () => void;
  readonly keysRefused: () => void;
  /** To be told of each attempt to read a file that may change while the service runs. */
  readonly reloaded: (file: "policy" | "api_keys", result: "loaded" | "refused") => void;
  /** To be given to `createApp` as `metrics`. */
  readonly render: () => Promise<{ body: string; contentType: string }>;
}

// Seconds. A request that waits for an issuer's keys takes up to five.
const REQUEST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MINT_BUCKETS = [10, 25, 50, 100, 250, 500, 1000, 5000, 25_000].map(
  (microseconds) => microseconds / 1e6,
);

const METHODS = new Set(["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"]);

/** What prom-client brings and what is true on Bun too; there it gives zeros and nonsense for the rest. */
const PROCESS = new Set([
  "process_cpu_user_seconds_total",
  "process_cpu_system_seconds_total",
  "process_cpu_seconds_total",
  "process_start_time_seconds",
  "process_resident_memory_bytes",
  "process_open_fds",
  "process_max_fds",
]);

export function createMetrics({
  version,
  keyAges = () => [],
  droppedLines = () => 0,
  now = Date.now,
}: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // Its watch on the event loop can't be left out; at this pace it costs nothing.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  for (const { name } of registry.getMetricsAsArray()) {
    if (!PROCESS.has(name)) registry.removeSingleMetric(name);
  }

  const requests = new Counter({
    name: "nats_mint_requests_total",
    help: "Requests answered",
    labelNames: ["route", "method", "status"] as const,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "nats_mint_request_seconds",
    help: "From a request's head to its answer",
    labelNames: ["route"] as const,
    buckets: REQUEST_BUCKETS,
    registers,
  });
  const decisions = new Counter({
    name: "nats_mint_decisions_total",
    help: "Requests for a credential, by what became of them",
    labelNames: ["outcome", "code", "reason"] as const,
    registers,
  });
  const mintSeconds = new Histogram({
    name: "nats_mint_mint_seconds",
    help: "Making and signing one credential",
    buckets: MINT_BUCKETS,
    registers,
  });
  const reloads = new Counter({
    name: "nats_mint_reloads_total",
    help: "Attempts to read what may change while the service runs",
    labelNames: ["what", "result"] as const,
    registers,
  });

  // A counter that is not there until the first time never rises from 0 to 1, and no alert sees it.
  decisions.inc({ outcome: "granted", code: "granted", reason: "" }, 0);
  decisions.inc({ outcome: "refused", code: "internal_error", reason: "" }, 0);
  for (const what of ["keys", "policy", "api_keys"]) {
    for (const result of ["loaded", "refused"]) reloads.inc({ what, result }, 0);
  }

  let loadedAt: number | undefined;
  new Gauge({
    name: "nats_mint_keys_loaded",
    help: "1 when there are keys to sign with",
    registers,
    collect() {
      this.set(loadedAt === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: "nats_mint_keys_age_seconds",
    help: "Since the present keys were loaded",
    registers,
    collect() {
      // Absent rather than 0 while there are none: keys that are missing are not fresh ones.
      if (loadedAt === undefined) this.remove();
      else this.set((now() - loadedAt) / 1000);
    },
  });
  new Gauge({
    name: "nats_mint_issuer_keys_age_seconds",
    help: "Since an issuer's keys were last fetched",
    labelNames: ["issuer"] as const,
    registers,
    collect() {
      // An issuer that the policy no longer names is gone from here too.
      this.reset();
      for (const { issuer, seconds } of keyAges()) this.set({ issuer }, seconds);
    },
  });
  new Counter({
    name: "nats_mint_log_lines_dropped_total",
    help: "Lines of the log that were lost because nobody read it",
    registers,
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });
  new Gauge({
    name: "nats_mint_build_info",
    help: "1, with the version as a label",
    labelNames: ["version"] as const,
    registers,
  }).set({ version }, 1);

  return {
    answered({ route, method, status, duration }) {
      requests.inc({ route, method: METHODS.has(method) ? method : "other", status });
      requestSeconds.observe({ route }, duration / 1000);
    },
    decided({ outcome, code, reason = "", mintDuration }) {
      decisions.inc({ outcome, code, reason });
      if (mintDuration !== undefined) mintSeconds.observe(mintDuration / 1000);
    },
    keysLoaded() {
      loadedAt = now();
      reloads.inc({ what: "keys", result: "loaded" });
    },
    keysRefused: () => reloads.inc({ what: "keys", result: "refused" }),
    reloaded: (what, result) => reloads.inc({ what, result }),
    render: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
  };
}
