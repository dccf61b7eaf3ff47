import { LRUCache } from "lru-cache";
import { Counter, Histogram, Registry } from "prom-client";
import { FastCounter, FastHistogram } from "./fast-metrics.ts";
import { TwoMaps } from "./two-maps.ts";

/** The work of a library and of hand-written code for one request, with the same input. */

/** Does the work of request number `i`. */
type Work = (i: number) => void;

interface Store {
  get(key: string): Bucket | undefined;
  set(key: string, bucket: Bucket): unknown;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

const address = (i: number) => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** Takes a token from the bucket of one of `keys` addresses. */
function takeTokens(store: Store, keys: number): Work {
  return (i) => {
    const key = address(i % keys);
    let bucket = store.get(key);
    if (!bucket) {
      bucket = { tokens: 600, filledAt: i };
      store.set(key, bucket);
    }
    bucket.tokens -= 1;
    bucket.filledAt = i;
  };
}

/** Both rate limits of a request, with a thousand callers. */
function bothLimits(makeStore: (max: number) => Store): Work {
  const byAddress = takeTokens(makeStore(KEYS), 1000);
  const bySubject = takeTokens(makeStore(KEYS), 1000);
  return (i) => {
    byAddress(i);
    bySubject(i);
  };
}

/** An attack: an address is used again only when it is no longer stored. */
const flood = (store: Store): Work => takeTokens(store, 2 ** 24);

/** The maximum number of keys that each rate limit of the service stores. */
const KEYS = 20_000;
const MANY_KEYS = 100_000;
const lru = (max: number): Store => new LRUCache<string, Bucket>({ max });
const twoMaps = (max: number): Store => new TwoMaps<Bucket>({ max });

const REQUEST_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const MINT_BUCKETS = [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2];
const seconds = (i: number) => (i % 997) / 1e5;

function fastMetrics(): Work {
  const requests = new FastCounter();
  const decisions = new FastCounter();
  const requestSeconds = new FastHistogram(REQUEST_BUCKETS);
  const mintSeconds = new FastHistogram(MINT_BUCKETS);
  return (i) => {
    requests.inc("/creds", "POST", 200);
    requestSeconds.observe(seconds(i), "/creds");
    decisions.inc("granted", "granted", "");
    mintSeconds.observe(seconds(i) / 10);
  };
}

function promClient(): Work {
  const registers = [new Registry()];
  const help = "Measured here";
  const requests = new Counter({
    name: "requests",
    help,
    labelNames: ["route", "method", "status"] as const,
    registers,
  });
  const decisions = new Counter({
    name: "decisions",
    help,
    labelNames: ["outcome", "code", "reason"] as const,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "request_seconds",
    help,
    labelNames: ["route"] as const,
    buckets: REQUEST_BUCKETS,
    registers,
  });
  const mintSeconds = new Histogram({ name: "mint_seconds", help, buckets: MINT_BUCKETS, registers });
  return (i) => {
    requests.inc({ route: "/creds", method: "POST", status: 200 });
    requestSeconds.observe({ route: "/creds" }, seconds(i));
    decisions.inc({ outcome: "granted", code: "granted", reason: "" });
    mintSeconds.observe(seconds(i) / 10);
  };
}

export interface Pair {
  readonly what: string;
  readonly library: () => Work;
  readonly handMade: () => Work;
}

export const PAIRS: Readonly<Record<string, Pair>> = {
  limits: {
    what: "both rate limits, 1,000 callers: `lru-cache` or two maps",
    library: () => bothLimits(lru),
    handMade: () => bothLimits(twoMaps),
  },
  flood: {
    what: "one rate limit, each request from another address, 20,000 stored",
    library: () => flood(lru(KEYS)),
    handMade: () => flood(twoMaps(KEYS)),
  },
  "large-flood": {
    what: "the same, 100,000 stored",
    library: () => flood(lru(MANY_KEYS)),
    handMade: () => flood(twoMaps(MANY_KEYS)),
  },
  metrics: {
    what: "metrics of one request: `prom-client` or plain maps",
    library: promClient,
    handMade: fastMetrics,
  },
};
