import { poll } from "../util/poll.ts";
import { readText } from "./read.ts";

export interface WatchFileOptions<T> {
  /** Milliseconds between looks at the file, 500 by default. Polled, since not every mount tells of its changes. */
  readonly interval?: number;
  /** Told when another text has been taken into use, or a broken one put right; not of the one at the start. */
  readonly onLoaded?: (value: T) => void;
  /** Told, once per reason, why what the file says now is not used; the last good value stays. */
  readonly onRefused?: (error: Error) => void;
}

export interface WatchedFile<T> {
  /** The last good value. */
  readonly current: () => T;
  /** Stops watching. */
  close(): void;
}

/**
 * Follows one small file: what it says is taken into use as a whole, or not at all. A file that is read while somebody
 * writes it is refused like any broken one, and read again at the next look.
 * @param parse given the file's text, undefined while there is no such file; throws to refuse it
 * @throws whatever `parse` throws at the first look, and `ConfigError` when the file can't be read then
 */
export async function watchFile<T>(
  path: string,
  parse: (text: string | undefined) => T,
  { interval = 500, onLoaded = () => {}, onRefused = () => {} }: WatchFileOptions<T> = {},
): Promise<WatchedFile<T>> {
  let text = await readText(path);
  let value = parse(text);
  let complaint: string | undefined;
  let closed = false;

  async function look(): Promise<void> {
    try {
      // All of it, each time: a change within one tick of the file system's clock shows in nothing else.
      const now = await readText(path);
      if (closed) return;
      if (now === text && complaint === undefined) return;
      if (now !== text) value = parse(now);
      text = now;
      complaint = undefined;
    } catch (error) {
      complain(error as Error);
      return;
    }
    onLoaded(value);
  }

  function complain(error: Error): void {
    if (closed || error.message === complaint) return;
    complaint = error.message;
    onRefused(error);
  }

  const stop = poll(look, interval);

  return {
    current: () => value,
    close() {
      closed = true;
      stop();
    },
  };
}
