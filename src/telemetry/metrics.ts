import { Counter, Gauge, Registry } from "prom-client";
import type { Decision, HandledRequest } from "../core/decision.ts";
import { collectProcess } from "./process.ts";
import { histogram, tally } from "./tallies.ts";
import type { Figures } from "./totals.ts";

/**
 * What the service counts, for Prometheus. Labels have few values, known beforehand: no name, no address, no path.
 * Counts of several processes are added up; what is not to be added has an `aggregator` that says what else.
 */

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
  readonly answered: (answer: HandledRequest) => void;
  /** To be told of each decision, beside the audit. */
  readonly decided: (decision: Decision) => void;
  /** To be told when keys were loaded, and when there were new ones that could not be used. */
  readonly keysLoaded: () => void;
  readonly keysRefused: () => void;
  /** To be told of each attempt to read a file that may change while the service runs. */
  readonly reloaded: (file: "policy" | "api_keys", result: "loaded" | "refused") => void;
  /** To be given to `createApp` as `metrics`. */
  readonly render: () => Promise<{ body: string; contentType: string }>;
  /** The same, to be added to those of other processes. */
  readonly figures: () => Promise<Figures>;
}

// Seconds. A request that waits for an issuer's keys takes up to five.
const REQUEST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MINT_BUCKETS = [10, 25, 50, 100, 250, 500, 1000, 5000, 25_000].map(
  (microseconds) => microseconds / 1e6,
);

const METHODS = new Set(["GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"]);

export function createMetrics({
  version,
  keyAges = () => [],
  droppedLines = () => 0,
  now = Date.now,
}: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectProcess(registry);

  function counted(name: string, help: string, labelNames: string[]) {
    const counts = tally(labelNames);
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        counts.each((labels, count) => this.inc(labels, count));
      },
    });
    return counts;
  }

  function observed(name: string, help: string, buckets: readonly number[], labelNames: [string?]) {
    const { observe, metric } = histogram({ name, help, buckets, labelNames });
    registry.registerMetric(metric);
    return observe;
  }

  const requests = counted("nats_mint_requests_total", "Requests answered", ["route", "method", "status"]);
  const decisions = counted(
    "nats_mint_decisions_total",
    "Requests for a credential, by what became of them",
    ["outcome", "code", "reason"],
  );
  const requestSeconds = observed(
    "nats_mint_request_seconds",
    "From a request's head to its answer",
    REQUEST_BUCKETS,
    ["route"],
  );
  const mintSeconds = observed(
    "nats_mint_mint_seconds",
    "Making and signing one credential",
    MINT_BUCKETS,
    [],
  );
  const reloads = new Counter({
    name: "nats_mint_reloads_total",
    help: "Attempts to read what may change while the service runs",
    labelNames: ["what", "result"] as const,
    registers,
  });

  // A counter that is not there until the first time never rises from 0 to 1, and no alert sees it.
  decisions.begin("granted", "granted", "");
  decisions.begin("refused", "internal_error", "");
  for (const what of ["keys", "policy", "api_keys"]) {
    for (const result of ["loaded", "refused"]) reloads.inc({ what, result }, 0);
  }

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
      // Absent rather than 0 while there are none: keys that are missing are not fresh ones.
      if (loadedAt === undefined) this.remove();
      else this.set((now() - loadedAt) / 1000);
    },
  });
  new Gauge({
    name: "nats_mint_issuer_keys_age_seconds",
    help: "Since an issuer's keys were last fetched",
    aggregator: "max",
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
    help: "Lines of the log that were lost because more was said than was read",
    registers,
    collect() {
      this.reset();
      this.inc(droppedLines());
    },
  });
  new Gauge({
    name: "nats_mint_build_info",
    help: "1, with the version as a label",
    aggregator: "first",
    labelNames: ["version"] as const,
    registers,
  }).set({ version }, 1);

  return {
    answered({ route, method, status, duration }) {
      requests.add(route, METHODS.has(method) ? method : "other", status);
      requestSeconds(duration / 1000, route);
    },
    decided({ outcome, code, reason = "", mintDuration }) {
      decisions.add(outcome, code, reason);
      if (mintDuration !== undefined) mintSeconds(mintDuration / 1000);
    },
    keysLoaded() {
      loadedAt = now();
      reloads.inc({ what: "keys", result: "loaded" });
    },
    keysRefused: () => reloads.inc({ what: "keys", result: "refused" }),
    reloaded: (what, result) => reloads.inc({ what, result }),
    render: async () => ({ body: await registry.metrics(), contentType: registry.contentType }),
    figures: () => registry.getMetricsAsJSON(),
  };
}
