/** Times are in milliseconds. */

/** The first delay of `backoff`, at most. */
const FIRST_DELAY = 200;

/**
 * Starts a stopwatch; the returned function reads it. Two clocks are read and the larger difference counts: the
 * monotonic clock stands still while the machine sleeps, and the wall clock may be set back.
 */
export function stopwatch(): () => number {
  const wall = Date.now();
  const monotonic = performance.now();
  return () => Math.max(Date.now() - wall, performance.now() - monotonic);
}

/**
 * Does `work` with a time limit: settles as `work` does, or rejects with `error` as soon as `abort` is aborted. It is
 * aborted after `limit`, and in any case in the end.
 */
export function withTimeout<T>(
  work: (signal: AbortSignal) => Promise<T>,
  limit: number,
  error: Error,
  abort: AbortController,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => abort.abort(), limit);
    abort.signal.onabort = () => {
      clearTimeout(timer);
      reject(error);
    };
    work(abort.signal).then(resolve, reject);
  }).finally(() => abort.abort());
}

/**
 * The delay before the next attempt, after `attempt` failures: doubles up to `longest`. Between half and all of it is
 * used, at random, so that pages that failed at the same time do not retry at the same time.
 */
export const backoff = (attempt: number, longest: number): number =>
  Math.min(longest, FIRST_DELAY * 2 ** attempt) * (0.5 + Math.random() / 2);
