import { describe, expect, test } from "bun:test";
import { Tally } from "./tally.ts";

function tallyOf(...messages: [name: string, tab: string, number: number][]): Tally {
  const tally = new Tally();
  for (const message of messages) tally.take(...message);
  return tally;
}

describe("a tally", () => {
  test("counts from the first message of a tab", () => {
    const tally = tallyOf(["ada", "a", 70], ["ada", "a", 71]);
    expect(tally.of("ada")).toEqual({ received: 2, missed: 0, repeated: 0 });
  });

  test("counts every missing message", () => {
    expect(tallyOf(["ada", "a", 1], ["ada", "a", 2], ["ada", "a", 6]).of("ada")).toEqual({
      received: 3,
      missed: 3,
      repeated: 0,
    });
  });

  test("counts every repeated message", () => {
    expect(tallyOf(["ada", "a", 1], ["ada", "a", 2], ["ada", "a", 1], ["ada", "a", 2]).of("ada")).toEqual({
      received: 4,
      missed: 0,
      repeated: 2,
    });
  });

  test("keeps tabs and users apart", () => {
    const tally = tallyOf(
      ["ada", "a", 1],
      ["ada", "b", 90],
      ["bob", "a", 5],
      ["ada", "a", 2],
      ["ada", "b", 91],
    );
    expect(tally.of("ada")).toEqual({ received: 4, missed: 0, repeated: 0 });
    expect(tally.total).toEqual({ received: 5, missed: 0, repeated: 0 });
  });

  test("remembers a limited number of tabs", () => {
    const tally = new Tally();
    for (let tab = 0; tab < 1000; tab++) tally.take("ada", `made-up-${tab}`, 1);
    tally.take("ada", "made-up-999", 3);
    tally.take("ada", "made-up-0", 7);
    expect(tally.of("ada")).toEqual({ received: 1002, missed: 1, repeated: 0 });
  });
});
