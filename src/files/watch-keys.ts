import { KeysUnavailableError } from "../core/errors.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { poll } from "../util/poll.ts";
import { currentVersion, readKeys } from "./exported-keys.ts";

export interface WatchOptions {
  /** Milliseconds between looks at `current`, 500 by default. Polled, since not every mount tells of its changes. */
  readonly interval?: number;
  /** Told when a version has been taken into use. */
  readonly onLoaded?: (mint: Mint, version: string) => void;
  /** Told, once per reason, why there is nothing new to use; the last good version stays in use. */
  readonly onRefused?: (error: Error) => void;
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

/**
 * Follows exported keys: takes each new version into use as a whole, or not at all. Resolves after the first look,
 * whether or not there was something to see.
 * @param directory the one that holds `current`
 */
export async function watchKeys(directory: string, options: WatchOptions = {}): Promise<WatchedKeys> {
  const { interval = 500, onLoaded = () => {}, onRefused = () => {} } = options;
  let mint: Mint | undefined;
  let loaded: string | undefined;
  let complaint: string | undefined;
  let closed = false;

  async function look(): Promise<void> {
    let found: { mint: Mint; version: string } | undefined;
    try {
      found = await newKeys();
    } catch (error) {
      complain(error as Error);
    }
    if (!found || closed) return;
    mint = found.mint;
    loaded = found.version;
    complaint = undefined;
    onLoaded(mint, loaded);
  }

  async function newKeys() {
    if ((await currentVersion(directory)) === loaded) return undefined;
    const keys = await readKeys(directory);
    return { mint: createMint(keys.mint), version: keys.version };
  }

  function complain(error: Error): void {
    // What has gone may come back under the same name with something else in it; what is broken may be put right in
    // place. So look again at either, but don't say the same thing twice.
    loaded = undefined;
    if (closed || error.message === complaint) return;
    complaint = error.message;
    onRefused(error);
  }

  await look();
  const stop = poll(look, interval);

  return {
    mint() {
      if (!mint) throw new KeysUnavailableError();
      return mint;
    },
    close() {
      closed = true;
      stop();
    },
  };
}
