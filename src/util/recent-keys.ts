import { hash, randomBytes } from "node:crypto";

/**
 * Numbers for the keys that were used most recently, for values that are kept in typed arrays. Hundreds of thousands of
 * objects that live for a while are most of the garbage collector's work in a service whose requests are otherwise
 * short-lived; here there are none.
 */
export interface RecentKeys {
  /**
   * The key's number, from 0 to `max - 1`, which it keeps as long as it is remembered. For a key that is new, its
   * complement (`~number`): the number may have been that of the least recently used key, which is now forgotten.
   */
  use(key: string): number;
  /** How many keys are remembered. */
  readonly size: number;
}

const NONE = -1;

/**
 * Remembers the `max` keys that were used last, by 64 bits of a hash. The hash has a secret seed: two keys that share a
 * number can't be searched for, and by chance there is one pair in 10^11 full tables.
 */
export function recentKeys(
  max: number,
  hashOf: (key: string, words: Uint32Array) => void = seededHash(),
): RecentKeys {
  const words = new Uint32Array(2);
  const low = new Uint32Array(max);
  const high = new Uint32Array(max);
  // Keys with the same first bits form a chain.
  const mask = 2 ** Math.ceil(Math.log2(max * 2)) - 1;
  const chains = new Int32Array(mask + 1).fill(NONE);
  const nextInChain = new Int32Array(max);
  // All keys form a ring, from the most to the least recently used; its start is an entry of its own.
  const START = max;
  const newer = new Int32Array(max + 1).fill(START);
  const older = new Int32Array(max + 1).fill(START);
  let size = 0;

  const chainOf = (entry: number) => (low[entry] as number) & mask;

  function find(): number {
    let entry = chains[(words[0] as number) & mask] as number;
    while (entry !== NONE && !(low[entry] === words[0] && high[entry] === words[1])) {
      entry = nextInChain[entry] as number;
    }
    return entry;
  }

  /** A number that no key has. */
  function free(): number {
    if (size < max) return size++;
    const oldest = newer[START] as number;
    leaveRing(oldest);
    let place = chains[chainOf(oldest)] as number;
    if (place === oldest) chains[chainOf(oldest)] = nextInChain[oldest] as number;
    else {
      while (nextInChain[place] !== oldest) place = nextInChain[place] as number;
      nextInChain[place] = nextInChain[oldest] as number;
    }
    return oldest;
  }

  function leaveRing(entry: number): void {
    const [before, after] = [newer[entry] as number, older[entry] as number];
    older[before] = after;
    newer[after] = before;
  }

  function becomeNewest(entry: number): void {
    const second = older[START] as number;
    newer[entry] = START;
    older[entry] = second;
    newer[second] = entry;
    older[START] = entry;
  }

  return {
    use(key) {
      hashOf(key, words);
      const known = find();
      if (known !== NONE) {
        leaveRing(known);
        becomeNewest(known);
        return known;
      }
      const entry = free();
      low[entry] = words[0] as number;
      high[entry] = words[1] as number;
      nextInChain[entry] = chains[chainOf(entry)] as number;
      chains[chainOf(entry)] = entry;
      becomeNewest(entry);
      return ~entry;
    },
    get size() {
      return size;
    },
  };
}

function seededHash(): (key: string, words: Uint32Array) => void {
  const seed = randomBytes(16).toString("base64url");
  return (key, words) => {
    const digest = hash("sha256", seed + key, "buffer");
    words[0] = digest.readUInt32LE(0);
    words[1] = digest.readUInt32LE(4);
  };
}
