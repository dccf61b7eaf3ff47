import { expect, test } from "bun:test";
import { budget } from "./jwks-budget.ts";

function makeBudget() {
  let time = 1_000_000;
  const { take } = budget(3, 10, () => time);
  return {
    take,
    wait: (ms: number) => {
      time += ms;
    },
    takeAll: () => [take(), take(), take(), take(), take()].filter(Boolean).length,
  };
}

test("so many at once, and no more", () => {
  expect(makeBudget().takeAll()).toBe(3);
});

test("one comes back after each interval, up to the first number", () => {
  const { take, wait, takeAll } = makeBudget();
  takeAll();
  wait(9);
  expect(take()).toBe(false);
  wait(1);
  expect(takeAll()).toBe(1);
  wait(25);
  expect(takeAll()).toBe(2);
  // The half interval that was left over counts.
  wait(5);
  expect(takeAll()).toBe(1);
  wait(1000);
  expect(takeAll()).toBe(3);
});

test("one that was full does not fill up sooner for it", () => {
  const { take, wait, takeAll } = makeBudget();
  wait(95);
  expect(takeAll()).toBe(3);
  wait(9);
  expect(take()).toBe(false);
});

test("a clock that is set back neither fills it nor stops the filling", () => {
  const { take, wait, takeAll } = makeBudget();
  takeAll();
  wait(-500);
  expect(take()).toBe(false);
  wait(10);
  expect(takeAll()).toBe(1);
});
