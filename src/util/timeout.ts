/**
 * The result of `work`, or of `onTimeout` when the work takes longer. The work itself goes on, and what becomes of it
 * then is ignored.
 * @param milliseconds from now on
 * @param onTimeout returns what to use instead, or throws
 */
export async function withTimeout<T, U>(
  work: Promise<T>,
  milliseconds: number,
  onTimeout: () => U,
): Promise<T | U> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await Promise.race([work, expired.then(onTimeout)]);
  } finally {
    clearTimeout(timer);
  }
}
