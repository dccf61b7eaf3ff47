import { KeysUnavailableError } from "../core/errors.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { follow } from "../util/follow.ts";
import { currentVersion, readKeys } from "./exported-keys.ts";
import { DEFAULT_INTERVAL } from "./watch.ts";

export interface WatchOptions {
  /** Milliseconds between two readings of the link `current`, 500 by default. */
  readonly interval?: number;
  /** Called when a version is in use, also for the first one. `version` is the path of its directory. */
  readonly onLoaded?: (mint: Mint, version: string) => void;
  /** Called with the reason, once per reason, when a reading is refused; the last good version stays in use. */
  readonly onRefused?: (error: Error) => void;
  /** Called for each role of a version that is left out, since the server would refuse its users. */
  readonly onUnusableRole?: (error: Error) => void;
}

export interface WatchedKeys {
  /**
   * The mint with the last good keys.
   * @throws {KeysUnavailableError} as long as there have been none
   */
  readonly mint: () => Mint;
  /** Stops watching. */
  close(): void;
}

interface LoadedKeys {
  readonly mint: Mint;
  /** Path of the version's directory. */
  readonly version: string;
}

/**
 * Follows exported keys. A new version is used as a whole or not at all. Resolves after the first reading, also when
 * that was refused.
 * @param directory the one that holds `current`
 */
export async function watchKeys(directory: string, options: WatchOptions = {}): Promise<WatchedKeys> {
  const { interval = DEFAULT_INTERVAL, onLoaded, onRefused, onUnusableRole = () => {} } = options;

  async function read(current: LoadedKeys | undefined): Promise<LoadedKeys> {
    if (current && (await currentVersion(directory)) === current.version) return current;
    const keys = await readKeys(directory);
    return { mint: createMint({ ...keys.mint, onUnusableRole }), version: keys.version };
  }

  const { current, close } = await follow({
    read,
    interval,
    onLoaded: ({ mint, version }) => onLoaded?.(mint, version),
    onRefused,
  });
  return {
    mint() {
      const keys = current();
      if (!keys) throw new KeysUnavailableError();
      return keys.mint;
    },
    close,
  };
}
