import { IssuerUnavailableError } from "../../core/errors.ts";
import { backoffDelay } from "../../util/backoff.ts";
import { quote } from "../../util/quote.ts";
import { withTimeout } from "../../util/timeout.ts";
import { tokenBucket } from "../../util/token-bucket.ts";
import { IssuerFaultError } from "./issuer-fault.ts";
import {
  type Candidates,
  type KeyHeader,
  type KeySet,
  MIN_RSA_BITS,
  parseKeySet,
  unknownKey,
} from "./key-set.ts";

/**
 * One issuer's keys, fetched when they are needed and kept for a while. A fetch of the same keys keeps the same
 * `KeySet` object.
 */

export interface IssuerKeysOptions {
  /** Milliseconds for one fetch of the key set. */
  readonly timeout: number;
  readonly issuer: string;
  /** Fetches the issuer's JWK Set. @throws {Error} with the cause */
  readonly fetchKeySet: (signal: AbortSignal) => Promise<unknown>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /**
   * Receives the reason when the keys can no longer be fetched, and again when the reason changes; and a warning about
   * keys that are too short.
   */
  readonly onWarning: (message: string) => void;
  /** Milliseconds that keys stay in use when they can't be fetched again. */
  readonly maxStale: number;
}

export interface IssuerKeys {
  /**
   * The keys in use; undefined when there are none, or when they are older than `maxStale`. Keys older than ten minutes
   * are returned, and fetched again in the background.
   */
  current(): KeySet | undefined;
  /**
   * The keys that a token may be signed with, at least one. When there is none, the keys are fetched again.
   * @param issuer see `KeySet.candidates`
   * @param other keys that did not verify the token: they are not found again
   * @throws {UnauthorizedError} `unknown_key` when the issuer doesn't have the key, or too many fit
   * @throws {IssuerUnavailableError} when the keys can't be fetched
   */
  find(
    header: KeyHeader,
    issuer: string | undefined,
    other?: KeySet,
  ): Promise<{ readonly candidates: Candidates; readonly set: KeySet }>;
  /** Fetches the keys unless they are younger than ten minutes. Never rejects: `onWarning` has the error. */
  warmUp(): Promise<void>;
  /** Milliseconds since the keys were last fetched; undefined before. */
  age(): number | undefined;
  /** Ends a fetch that is under way. */
  close(): void;
}

/** Milliseconds after which keys are fetched again. */
const REFRESH_AFTER = 10 * 60_000;
/**
 * Fetches for unknown keys: enough to follow a rotation at once, even several in a row, and too few for random key
 * names to load the issuer.
 */
const REFETCHES = 5;
const REFETCH_INTERVAL = 5_000;
/**
 * Milliseconds without another attempt after a failed one. It doubles with each failure, up to the `retryAfter` of the
 * error.
 */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5_000;
/** Requests that wait for the issuer at the same time. A slow issuer must not occupy the whole service. */
const MAX_WAITING = 1000;

/** Keeps one issuer's keys. Nothing is fetched before the first call of `find` or `warmUp`. */
export function issuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, fetchKeySet, now, onWarning, maxStale, timeout } = options;
  const closing = new AbortController();
  const refetches = tokenBucket({ capacity: REFETCHES, interval: REFETCH_INTERVAL, now });
  const pause = failurePause(now);

  let set: KeySet | undefined;
  let text = "";
  let fetchedAt = 0;
  /** Why the last fetch failed, until one succeeds. */
  let failure: Error | undefined;

  // Fetches are numbered. Only one that started after a request arrived can tell that the issuer doesn't have a key.
  let lastStarted = 0;
  let lastSucceeded = 0;
  let pending: Promise<void> | undefined;
  let waiting = 0;

  const age = () => (set ? now() - fetchedAt : undefined);
  // An age below zero, after the clock was set back, is not young, but not too old to use either.
  const isYoung = (ms: number) => ms >= 0 && ms < REFRESH_AFTER;

  function current(): KeySet | undefined {
    const ms = age();
    if (ms === undefined) return undefined;
    if (!isYoung(ms)) void fetchKeys().catch(() => {});
    return ms <= maxStale ? set : undefined;
  }

  /** One fetch at a time, which all requests share; none during a pause. */
  function fetchKeys(): Promise<void> {
    if (pending) return pending;
    if (pause.isOn()) return Promise.reject(unavailable());
    const number = ++lastStarted;
    pending = fetchInTime()
      .then(useKeys)
      .then(
        () => {
          lastSucceeded = number;
          failure = undefined;
          pause.reset();
        },
        (error: unknown) => {
          reportFailure(error);
          throw unavailable();
        },
      )
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  /** An issuer's own function may throw, reject with anything, or never settle. */
  async function fetchInTime(): Promise<unknown> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeout)]);
    return withTimeout(fetchKeySet(signal), timeout, () => {
      throw new Error("its key set was not fetched in time");
    });
  }

  function useKeys(json: unknown): void {
    const { set: fetchedSet, text: fetchedText, weak } = parseKeySet(json);
    fetchedAt = now();
    if (set && fetchedText === text) return;
    set = fetchedSet;
    text = fetchedText;
    if (weak > 0) {
      onWarning(`issuer ${quote(issuer)}: keys below ${MIN_RSA_BITS} bits are not used; it has ${weak}`);
    }
  }

  function reportFailure(error: unknown): void {
    if (closing.signal.aborted) return;
    pause.start();
    const present = error instanceof Error ? error : new Error("its key set can't be fetched");
    if (present.message !== failure?.message) onWarning(`issuer ${quote(issuer)}: ${present.message}`);
    failure = present;
  }

  /** The error for a request that needs the keys. It says whether waiting can help. */
  const unavailable = () =>
    new IssuerUnavailableError(
      failure instanceof IssuerFaultError
        ? `the keys of the token's issuer can't be used, until this is corrected: ${failure.summary}; the mint's log has the details`
        : "the keys of the token's issuer can't be fetched at the moment; try again",
    );

  async function find(header: KeyHeader, tokenIssuer: string | undefined, other?: KeySet) {
    const startedBefore = lastStarted;
    if (!current()) await waitForKeys();
    while (true) {
      const keys = set as KeySet;
      const candidates = await keys.candidates(header, tokenIssuer);
      if (candidates.keys.length > 0 && keys !== other) return { candidates, set: keys };
      if (lastSucceeded > startedBefore) throw unknownKey(header);
      if (!pending && !pause.isOn() && !refetches.take().allowed) {
        // Too many unknown key names. Until the next fetch this one can't be refused as unknown: the issuer may just
        // have rotated its keys, and a page does not retry after "unauthorized".
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

/** The time without attempts after failed ones, longer with each failure in a row. */
function failurePause(now: () => number) {
  let failures = 0;
  let until = 0;
  return {
    isOn(): boolean {
      const left = until - now();
      // After the clock was set back, more than the longest pause is left: the pause is over.
      return left > 0 && left <= LONGEST_PAUSE;
    },
    start(): void {
      until = now() + backoffDelay(failures, { first: FIRST_PAUSE, longest: LONGEST_PAUSE });
      failures++;
    },
    reset(): void {
      failures = 0;
    },
  };
}
