import type { CryptoKey, JWSHeaderParameters } from "jose";
import { IssuerUnavailableError } from "../../core/errors.ts";
import { backoffDelay } from "../../util/backoff.ts";
import { quote } from "../../util/quote.ts";
import { tokenBucket } from "../../util/token-bucket.ts";
import { type KeySet, lookUp, MIN_RSA_BITS, parseKeySet, unknownKey } from "./key-set.ts";

/**
 * One issuer's keys, fetched when they are needed and kept for a while. A fetch that brings the same keys keeps the same
 * `KeySet` object.
 */

export interface IssuerKeysOptions {
  readonly issuer: string;
  /** Fetches the issuer's JWK Set. @throws {Error} that says what went wrong */
  readonly fetchKeySet: (signal: AbortSignal) => Promise<unknown>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told once when the keys can no longer be fetched, and why. */
  readonly onWarning: (message: string) => void;
  /** Milliseconds that keys stay in use when they can't be fetched again. */
  readonly maxStale: number;
}

export interface IssuerKeys {
  /**
   * The keys in use; undefined when there are none, or none young enough. Those of a certain age are fetched again
   * meanwhile.
   */
  current(): KeySet | undefined;
  /**
   * The key that a token's header names. For a key that isn't known the keys are fetched again.
   * @throws {UnauthorizedError} `unknown_key` when the issuer has none, or the header fits several
   * @throws {IssuerUnavailableError} when that can't be said
   */
  find(header: JWSHeaderParameters): Promise<{ readonly key: CryptoKey; readonly set: KeySet }>;
  /** Fetches the keys, unless they are young. Never rejects: a failure has been warned of. */
  warmUp(): Promise<void>;
  /** Milliseconds since the keys were last fetched. */
  age(): number | undefined;
  /** Gives up what is being fetched. */
  close(): void;
}

/** Milliseconds after which keys are fetched again. */
const REFRESH_AFTER = 10 * 60_000;
/**
 * Fetches for keys that aren't known: enough to follow a rotation at once, even several in a row, and too few for
 * random key names to weigh on the issuer.
 */
const REFETCHES = 5;
const REFETCH_INTERVAL = 5_000;
/** Milliseconds without a further attempt after a failed one; twice as long after each, up to what callers are told to wait. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5_000;
/** Requests that wait for the issuer at the same time. A slow issuer must not hold all of the service. */
const MAX_WAITING = 1000;

export function issuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, fetchKeySet, now, onWarning, maxStale } = options;
  const closing = new AbortController();
  const refetches = tokenBucket({ capacity: REFETCHES, interval: REFETCH_INTERVAL, now });

  let set: KeySet | undefined;
  let text = "";
  let fetchedAt = 0;

  // Fetches are numbered, so that a request can tell one that began after it came from one that may be too old for it.
  let begun = 0;
  let succeeded = 0;
  let pending: Promise<void> | undefined;
  let waiting = 0;
  let failures = 0;
  let pauseUntil = 0;

  const age = () => (set ? now() - fetchedAt : undefined);
  // Written so that an age below zero, after the clock was set back, is old but not too old.
  const isYoung = (ms: number) => ms >= 0 && ms < REFRESH_AFTER;
  const isPausing = () => {
    const left = pauseUntil - now();
    return left > 0 && left <= LONGEST_PAUSE;
  };

  function current(): KeySet | undefined {
    const ms = age();
    if (ms === undefined) return undefined;
    if (!isYoung(ms)) void fetchKeys().catch(() => {});
    return ms <= maxStale ? set : undefined;
  }

  /** One fetch at a time, for all who wait; none in a pause. */
  function fetchKeys(): Promise<void> {
    if (pending) return pending;
    if (isPausing()) return Promise.reject(unavailable());
    const number = ++begun;
    pending = fetchKeySet(closing.signal)
      .then(take)
      .then(
        () => {
          succeeded = number;
          failures = 0;
        },
        (error: Error) => {
          fail(error);
          throw unavailable();
        },
      )
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  function take(json: unknown): void {
    const { set: fetched, text: next, weak } = parseKeySet(json);
    fetchedAt = now();
    if (set && next === text) return;
    set = fetched;
    text = next;
    if (weak > 0) {
      onWarning(`issuer ${quote(issuer)}: keys below ${MIN_RSA_BITS} bits are not used; it has ${weak}`);
    }
  }

  function fail({ message }: Error): void {
    if (closing.signal.aborted) return;
    pauseUntil = now() + backoffDelay(failures, { first: FIRST_PAUSE, longest: LONGEST_PAUSE });
    failures++;
    if (failures === 1) onWarning(`issuer ${quote(issuer)}: ${message}`);
  }

  async function find(header: JWSHeaderParameters): Promise<{ key: CryptoKey; set: KeySet }> {
    const before = begun;
    if (!current()) await waitForKeys();
    while (true) {
      const present = set as KeySet;
      const key = await lookUp(present, header);
      if (key) return { key, set: present };
      if (succeeded > before) throw unknownKey();
      if (!pending && !isPausing() && !refetches.take().allowed) {
        // Somebody is trying names. About this one nothing can be said until the next fetch, and "unauthorized" would
        // be final for a page whose issuer has just rotated.
        throw unavailable();
      }
      await waitForKeys();
    }
  }

  async function waitForKeys(): Promise<void> {
    if (waiting >= MAX_WAITING) throw unavailable();
    waiting++;
    try {
      await fetchKeys();
    } finally {
      waiting--;
    }
  }

  return {
    current,
    find,
    async warmUp() {
      const ms = age();
      if (ms === undefined || !isYoung(ms)) await fetchKeys().catch(() => {});
    },
    age,
    close: () => closing.abort(),
  };
}

const unavailable = () =>
  new IssuerUnavailableError("the keys of the token's issuer can't be fetched at the moment; try again");
