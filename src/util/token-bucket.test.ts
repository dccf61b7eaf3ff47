import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { tokenBucket, tokenBuckets } from "./token-bucket.ts";

/** A clock that goes on when it is told to, in milliseconds. */
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
  test("gives what it holds at once, and then one token per interval", () => {
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

  test("tells what is left, and when there is one more", () => {
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

  test("is not emptied further by those who are refused", () => {
    const clock = makeClock();
    const buckets = tokenBuckets({ ...perMinute(60), now: clock.now });
    takeAll(() => buckets.take("a"));
    for (let i = 0; i < 1000; i++) buckets.take("a");
    clock.pass(1000);
    expect(buckets.take("a").allowed).toBe(true);
  });

  test("leaves another's alone", () => {
    const buckets = tokenBuckets({ ...perMinute(5), now: makeClock().now });
    takeAll(() => buckets.take("a"));
    expect(takeAll(() => buckets.take("b"))).toBe(5);
  });

  test("that was full does not fill up sooner for it", () => {
    const clock = makeClock();
    const { take } = tokenBucket({ capacity: 3, interval: 10, now: clock.now });
    clock.pass(95);
    expect(takeAll(take)).toBe(3);
    clock.pass(9);
    expect(take().allowed).toBe(false);
  });

  test("keeps the part of a token that came", () => {
    const clock = makeClock();
    const { take } = tokenBucket({ capacity: 3, interval: 10, now: clock.now });
    takeAll(take);
    clock.pass(25);
    expect(takeAll(take)).toBe(2);
    clock.pass(5);
    expect(takeAll(take)).toBe(1);
  });

  test("is neither filled by a clock that is set back, nor emptied, and goes on filling", () => {
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

  test("never gives more than it holds and has got, and keeps its word on the next token, whatever the rhythm", () => {
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

test("no more keys are remembered than they may be, and those that still ask are", () => {
  const clock = makeClock();
  const buckets = tokenBuckets({ ...perMinute(2), now: clock.now });
  takeAll(() => buckets.take("flood"));
  for (let i = 0; i < 1_000_000; i++) {
    buckets.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    if (i % 5_000 === 0) expect(buckets.take("flood").allowed).toBe(false);
  }
  expect(buckets.size).toBeLessThanOrEqual(20_000);
  expect(buckets.size).toBeGreaterThan(10_000);
});
