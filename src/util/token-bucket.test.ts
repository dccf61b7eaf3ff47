import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { tokenBucket, tokenBuckets } from "./token-bucket.ts";

/** A clock that is advanced by hand, in milliseconds. */
function makeClock() {
  let time = 1e9;
  return {
    now: () => time,
    pass: (ms: number) => {
      time += ms;
    },
  };
}

const perMinute = (count: number) => ({ capacity: count, interval: 60_000 / count });

const takeAll = (take: () => { allowed: boolean }) => {
  let count = 0;
  while (take().allowed) count++;
  return count;
};

describe("a bucket", () => {
  test("allows its capacity at once, and then one token per interval", () => {
    const clock = makeClock();
    const buckets = tokenBuckets({ ...perMinute(60), now: clock.now });
    const take = () => buckets.take("a");
    expect(takeAll(take)).toBe(60);
    clock.pass(999);
    expect(take().allowed).toBe(false);
    clock.pass(1);
    expect(take().allowed).toBe(true);
    expect(take().allowed).toBe(false);
    clock.pass(10_000);
    expect(takeAll(take)).toBe(10);
    clock.pass(3_600_000);
    expect(takeAll(take)).toBe(60);
  });

  test("reports the tokens that are left and the time to the next one", () => {
    const clock = makeClock();
    const buckets = tokenBuckets({ ...perMinute(3), now: clock.now });
    expect(buckets.take("a")).toEqual({ allowed: true, left: 2, next: 20 });
    clock.pass(5000);
    expect(buckets.take("a")).toEqual({ allowed: true, left: 1, next: 15 });
    expect(buckets.take("a")).toEqual({ allowed: true, left: 0, next: 15 });
    expect(buckets.take("a")).toEqual({ allowed: false, left: 0, next: 15 });
    clock.pass(14_001);
    expect(buckets.take("a")).toEqual({ allowed: false, left: 0, next: 1 });
  });

  test("is not emptied further by refused attempts", () => {
    const clock = makeClock();
    const buckets = tokenBuckets({ ...perMinute(60), now: clock.now });
    takeAll(() => buckets.take("a"));
    for (let i = 0; i < 1000; i++) buckets.take("a");
    clock.pass(1000);
    expect(buckets.take("a").allowed).toBe(true);
  });

  test("does not change the bucket of another key", () => {
    const buckets = tokenBuckets({ ...perMinute(5), now: makeClock().now });
    takeAll(() => buckets.take("a"));
    expect(takeAll(() => buckets.take("b"))).toBe(5);
  });

  test("gains nothing from the time in which it was full", () => {
    const clock = makeClock();
    const { take } = tokenBucket({ capacity: 3, interval: 10, now: clock.now });
    clock.pass(95);
    expect(takeAll(take)).toBe(3);
    clock.pass(9);
    expect(take().allowed).toBe(false);
  });

  test("keeps the fraction of a token", () => {
    const clock = makeClock();
    const { take } = tokenBucket({ capacity: 3, interval: 10, now: clock.now });
    takeAll(take);
    clock.pass(25);
    expect(takeAll(take)).toBe(2);
    clock.pass(5);
    expect(takeAll(take)).toBe(1);
  });

  test("is neither filled nor emptied by a clock that is set back, and continues to fill", () => {
    const clock = makeClock();
    const { take } = tokenBucket({ capacity: 3, interval: 10, now: clock.now });
    take();
    clock.pass(-500);
    expect(takeAll(take)).toBe(2);
    clock.pass(-500);
    expect(take().allowed).toBe(false);
    clock.pass(10);
    expect(takeAll(take)).toBe(1);
  });

  test("never allows more than its capacity and what was added, and has the next token at the time that it reported", () => {
    const pauses = fc.array(fc.double({ min: 0, max: 30_000, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), pauses, (count, rhythm) => {
        const clock = makeClock();
        const began = clock.now();
        const buckets = tokenBuckets({ ...perMinute(count), now: clock.now });
        let given = 0;
        for (const pause of rhythm) {
          clock.pass(pause);
          const { allowed, left, next } = buckets.take("a");
          if (allowed) given++;
          expect(given).toBeLessThanOrEqual(count + ((clock.now() - began) * count) / 60_000 + 1e-6 * count);
          if (left === 0) {
            clock.pass(next * 1000);
            expect(buckets.take("a").allowed).toBe(true);
            given++;
          }
        }
      }),
    );
  });
});

describe("of many keys", () => {
  test("no more than 20,000 are remembered, and those that are still used are among them", () => {
    const clock = makeClock();
    const buckets = tokenBuckets({ ...perMinute(2), now: clock.now });
    takeAll(() => buckets.take("flood"));
    for (let i = 0; i < 1_000_000; i++) {
      buckets.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
      if (i % 5_000 === 0) expect(buckets.take("flood").allowed).toBe(false);
    }
    expect(buckets.size).toBe(20_000);
  });

  test("the least recently used is forgotten first", () => {
    const buckets = tokenBuckets({ ...perMinute(1), now: makeClock().now, maxKeys: 3 });
    for (const key of ["a", "b", "c", "a", "d"]) buckets.take(key);
    expect(["a", "c", "d"].map((key) => buckets.take(key).allowed)).toEqual([false, false, false]);
    expect(buckets.take("b").allowed).toBe(true);
    expect(buckets.size).toBe(3);
  });
});
