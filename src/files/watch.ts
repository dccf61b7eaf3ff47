import { follow } from "../util/follow.ts";
import { readText } from "./read.ts";

/** Milliseconds between two readings. Files are polled because not every mount reports changes. */
export const DEFAULT_INTERVAL = 500;

export interface WatchFileOptions<T> {
  /** Milliseconds between two readings of the file, 500 by default. */
  readonly interval?: number;
  /** Called when a changed or repaired file is in use; not for the first reading. */
  readonly onLoaded?: (value: T) => void;
  /** Called with the reason, once per reason, when a reading is refused; the last good value stays in use. */
  readonly onRefused?: (error: Error) => void;
}

export interface WatchedFile<T> {
  /** The last good value. */
  readonly current: () => T;
  /** Stops watching. */
  close(): void;
}

/**
 * Follows one small file. A new text is used as a whole or not at all: a text that is incomplete because the file is
 * being written is refused like any invalid one, and read again after the interval.
 * @param parse turns the file's text into a value, or throws to refuse it; the text is undefined when there is no file
 * @throws whatever `parse` throws at the first reading, and `ConfigError` when the file can't be read then
 */
export async function watchFile<T>(
  path: string,
  parse: (text: string | undefined) => T,
  { interval = DEFAULT_INTERVAL, onLoaded, onRefused }: WatchFileOptions<T> = {},
): Promise<WatchedFile<T>> {
  type Version = { readonly text: string | undefined; readonly value: T };

  // Compares the whole text: two changes within one tick of the file system's clock have the same size and time.
  async function read(current?: Version): Promise<Version> {
    const text = await readText(path);
    return current && current.text === text ? current : { text, value: parse(text) };
  }

  const initial = await read();
  const { current, close } = await follow({
    read,
    initial,
    interval,
    onLoaded: ({ value }) => onLoaded?.(value),
    onRefused,
  });
  return { current: () => (current() ?? initial).value, close };
}
