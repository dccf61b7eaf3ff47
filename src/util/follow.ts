/** Follows a source that does not announce its changes, by reading it again at an interval. */

export interface FollowOptions<T extends object> {
  /**
   * Reads the source. Returns `current` itself when nothing has changed, and throws to refuse what it found.
   * @param current the value in use; undefined before the first one, and after a refused reading, so that the source is
   * then read as a whole
   */
  readonly read: (current: T | undefined) => Promise<T>;
  /** A value that has been read already. Without it the first reading happens before `follow` resolves. */
  readonly initial?: T | undefined;
  /** Milliseconds between two readings. A reading that takes longer delays the next one. */
  readonly interval: number;
  /** Called after each new value is in use. */
  readonly onLoaded?: ((value: T) => void) | undefined;
  /** Called when a reading is refused, once for as long as the error's message stays the same. */
  readonly onRefused?: ((error: Error) => void) | undefined;
}

export interface Followed<T> {
  /** The last value that was read without an error; undefined as long as there is none. */
  readonly current: () => T | undefined;
  /** Ends the reading. A reading in progress has no effect any more. */
  close(): void;
}

/**
 * Reads a source again and again, one reading at a time, and keeps the last good value. Keeps no process alive.
 * @throws whatever `onLoaded` or `onRefused` throws at the first reading; what they throw later is an unhandled rejection
 */
export async function follow<T extends object>(options: FollowOptions<T>): Promise<Followed<T>> {
  const { read, initial, interval, onLoaded = () => {}, onRefused = () => {} } = options;
  let value = initial;
  /** The message of the last reading, if that was refused. */
  let refusal: string | undefined;
  let reading = false;
  let closed = false;

  async function readAgain(): Promise<void> {
    const current = refusal === undefined ? value : undefined;
    let next: T;
    try {
      next = await read(current);
    } catch (error) {
      if (!closed) refuse(error as Error);
      return;
    }
    if (closed || next === current) return;
    value = next;
    refusal = undefined;
    onLoaded(next);
  }

  function refuse(error: Error): void {
    if (error.message === refusal) return;
    refusal = error.message;
    onRefused(error);
  }

  if (initial === undefined) await readAgain();
  const timer = setInterval(async () => {
    if (reading) return;
    reading = true;
    try {
      await readAgain();
    } finally {
      reading = false;
    }
  }, interval);
  timer.unref();

  return {
    current: () => value,
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}
