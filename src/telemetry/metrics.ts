import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Decision, HandledRequest } from "../core/decision.ts";
import { AUTH_METHODS } from "../core/identity.ts";
import type { MetricsSnapshot } from "./aggregate.ts";
import { collectProcess } from "./process.ts";

/**
 * The service's metrics, for Prometheus. Labels have few values, known beforehand: no name, no address, no path.
 * Values of several processes are added up; a metric for which a sum is wrong sets `aggregator`.
 */

export interface MetricsOptions {
  /** The version of the service. */
  readonly version: string;
  /** Seconds since the keys of each trusted issuer were fetched. */
  readonly keyAges?: () => readonly { readonly issuer: string; readonly seconds: number }[];
  /** Log lines that were lost so far. */
  readonly droppedLines?: () => number;
  /** The clock, in milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface Metrics {
  /** Counts a response. To be given to `createApp` as `onResponse`. */
  readonly handled: (request: HandledRequest) => void;
  /** Counts a decision. To be called for each one, beside the audit. */
  readonly decided: (decision: Decision) => void;
  /** To be called when keys were loaded. */
  readonly keysLoaded: () => void;
  /** To be called when new keys could not be used. */
  readonly keysRefused: () => void;
  /** To be called after each attempt to read a file that may change while the service runs. */
  readonly reloaded: (file: "policy" | "api_keys", result: "loaded" | "refused") => void;
  /** The text for Prometheus. To be given to `createApp` as `metrics`. */
  readonly render: () => Promise<{ body: string; contentType: string }>;
  /** The values of this process, to be aggregated with those of others. */
  readonly snapshot: () => Promise<MetricsSnapshot>;
}

/** Seconds. A request that waits for an issuer's keys takes up to five. */
const REQUEST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds. */
const MINT_BUCKETS = [10, 25, 50, 100, 250, 500, 1000, 5000, 25_000].map(
  (microseconds) => microseconds / 1e6,
);

/** Methods with a label of their own: clients may send any word. */
const METHODS = new Set(["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"]);

/** The metrics of one process, in a registry of their own. */
export function createMetrics({
  version,
  keyAges = () => [],
  droppedLines = () => 0,
  now = Date.now,
}: MetricsOptions): Metrics {
  const registry = new Registry();
  collectProcess(registry);
  const handled = requestMetrics(registry);
  const decided = decisionMetrics(registry);
  const reloads = reloadMetrics(registry);
  const keysLoaded = keyMetrics(registry, now);
  issuerMetrics(registry, keyAges);
  logMetrics(registry, droppedLines);
  buildMetrics(registry, version);

  return {
    handled,
    decided,
    keysLoaded() {
      keysLoaded();
      reloads("keys", "loaded");
    },
    keysRefused: () => reloads("keys", "refused"),
    reloaded: reloads,
    render: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
    snapshot: () => registry.getMetricsAsJSON(),
  };
}

function requestMetrics(registry: Registry): (request: HandledRequest) => void {
  const registers = [registry];
  const requests = new Counter({
    name: "nats_mint_requests_total",
    help: "Requests handled",
    labelNames: ["route", "method", "status"] as const,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "nats_mint_request_seconds",
    help: "From a request's head to its response",
    buckets: REQUEST_BUCKETS,
    labelNames: ["route"] as const,
    registers,
  });
  return ({ route, method, status, duration }) => {
    requests.inc({ route, method: METHODS.has(method) ? method : "other", status });
    requestSeconds.observe({ route }, duration / 1000);
  };
}

function decisionMetrics(registry: Registry): (decision: Decision) => void {
  const registers = [registry];
  const decisions = new Counter({
    name: "nats_mint_decisions_total",
    help: "Requests for a credential, by their outcome",
    labelNames: ["outcome", "code", "reason", "method"] as const,
    registers,
  });
  const mintSeconds = new Histogram({
    name: "nats_mint_mint_seconds",
    help: "Making and signing one credential",
    buckets: MINT_BUCKETS,
    registers,
  });
  // A series that begins with its first event never rises from 0 to 1, so an alert on its rise misses that event.
  for (const method of AUTH_METHODS)
    decisions.inc({ outcome: "granted", code: "granted", reason: "", method }, 0);
  decisions.inc({ outcome: "refused", code: "internal_error", reason: "", method: "" }, 0);
  return ({ outcome, code, reason = "", method = "", mintDuration }) => {
    decisions.inc({ outcome, code, reason, method });
    if (mintDuration !== undefined) mintSeconds.observe(mintDuration / 1000);
  };
}

const RELOADED = ["keys", "policy", "api_keys"] as const;
const RESULTS = ["loaded", "refused"] as const;

function reloadMetrics(registry: Registry) {
  const reloads = new Counter({
    name: "nats_mint_reloads_total",
    help: "Attempts to read a file that may change while the service runs",
    labelNames: ["what", "result"] as const,
    registers: [registry],
  });
  // All series exist from the start, for the same reason as those of decisions.
  for (const what of RELOADED) for (const result of RESULTS) reloads.inc({ what, result }, 0);
  return (what: (typeof RELOADED)[number], result: (typeof RESULTS)[number]) => reloads.inc({ what, result });
}

/** @returns to be called when keys were loaded */
function keyMetrics(registry: Registry, now: () => number): () => void {
  const registers = [registry];
  let loadedAt: number | undefined;
  new Gauge({
    name: "nats_mint_keys_loaded",
    help: "1 when there are keys to sign with",
    aggregator: "min",
    registers,
    collect() {
      this.set(loadedAt === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: "nats_mint_keys_age_seconds",
    help: "Since the present keys were loaded",
    aggregator: "max",
    registers,
    collect() {
      // Absent while there are no keys: 0 would mean fresh keys.
      if (loadedAt === undefined) this.remove();
      else this.set((now() - loadedAt) / 1000);
    },
  });
  return () => {
    loadedAt = now();
  };
}

function issuerMetrics(registry: Registry, keyAges: NonNullable<MetricsOptions["keyAges"]>): void {
  new Gauge({
    name: "nats_mint_issuer_keys_age_seconds",
    help: "Since an issuer's keys were last fetched",
    aggregator: "max",
    labelNames: ["issuer"] as const,
    registers: [registry],
    collect() {
      // Removes the series of an issuer that the policy no longer names.
      this.reset();
      for (const { issuer, seconds } of keyAges()) this.set({ issuer }, seconds);
    },
  });
}

function logMetrics(registry: Registry, droppedLines: () => number): void {
  new Counter({
    name: "nats_mint_log_lines_dropped_total",
    help: "Log lines that were lost because they were written faster than they were read",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });
}

function buildMetrics(registry: Registry, version: string): void {
  new Gauge({
    name: "nats_mint_build_info",
    help: "1, with the version as a label",
    aggregator: "first",
    labelNames: ["version"] as const,
    registers: [registry],
  }).set({ version }, 1);
}
