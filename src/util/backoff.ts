export interface BackoffOptions {
  /** The delay after the first failure. */
  readonly first: number;
  /** The longest delay, in the same unit. */
  readonly longest: number;
}

/**
 * The delay before the next attempt: `first`, doubled after each further failure, up to `longest`.
 * @param failures failures in a row before the latest one; 0 gives `first`
 */
export const backoffDelay = (failures: number, { first, longest }: BackoffOptions): number =>
  Math.min(longest, first * 2 ** failures);
