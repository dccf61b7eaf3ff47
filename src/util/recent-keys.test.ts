import { expect, test } from "bun:test";
import fc from "fast-check";
import { recentKeys } from "./recent-keys.ts";

/** The same with a map, which keeps its keys in the order of their insertion. */
function model(max: number) {
  const numbers = new Map<string, number>();
  return {
    use(key: string): number {
      const known = numbers.get(key);
      const [oldest] = numbers;
      const number = known ?? (numbers.size < max ? numbers.size : (oldest?.[1] as number));
      if (known === undefined && numbers.size === max) numbers.delete(oldest?.[0] as string);
      numbers.delete(key);
      numbers.set(key, number);
      return known === undefined ? ~number : number;
    },
    get size() {
      return numbers.size;
    },
  };
}

const KEYS = fc.array(fc.nat(30).map(String), { maxLength: 300 });

test("behaves as a map that forgets its least recently used key", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), KEYS, (max, keys) => {
      const [real, simple] = [recentKeys(max), model(max)];
      for (const key of keys) expect([real.use(key), real.size]).toEqual([simple.use(key), simple.size]);
    }),
  );
});

test("keeps keys apart whose hashes have one half in common, or end in the same chain", () => {
  /** The low half is the same for all keys, or the high half, or only the bits that choose the chain. */
  const hashes: ((key: string, words: Uint32Array) => void)[] = [
    (key, words) => words.set([7, Number(key)]),
    (key, words) => words.set([Number(key), 7]),
    (key, words) => words.set([Number(key) * 2 ** 20, 7]),
    (key, words) => words.set([2 ** 32 - 1 - Number(key), 2 ** 32 - 1]),
  ];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), KEYS, fc.constantFrom(...hashes), (max, keys, hash) => {
      const [real, simple] = [recentKeys(max, hash), model(max)];
      for (const key of keys) expect(real.use(key)).toBe(simple.use(key));
    }),
  );
});

test("behaves so also with many keys, of any text", () => {
  const [real, simple] = [recentKeys(1000), model(1000)];
  let random = 1;
  for (let i = 0; i < 20_000; i++) {
    random = (random * 48_271) % 2_147_483_647;
    const key = `${random % 3 === 0 ? "ü" : "u"}${random % 1500}`;
    expect(real.use(key)).toBe(simple.use(key));
  }
});
