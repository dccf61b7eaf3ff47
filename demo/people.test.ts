import { describe, expect, test } from "bun:test";
import { People } from "./people.ts";

const names = (people: People, now: number) => people.present(now).map(({ name }) => name);

describe("people", () => {
  test("are present as long as their ticks arrive, sorted by name", () => {
    const people = new People();
    people.saw("grace", "g", false, 0);
    people.saw("ada", "a", false, 1000);
    expect(names(people, 2000)).toEqual(["ada", "grace"]);
    expect(names(people, 3500)).toEqual(["ada"]);
    expect(names(people, 5000)).toEqual([]);
  });

  test("have more time in a hidden tab, where browsers throttle timers", () => {
    const people = new People();
    people.saw("ada", "a", true, 0);
    expect(people.present(60_000)).toEqual([{ name: "ada", tabs: 1, isHidden: true }]);
    expect(names(people, 100_000)).toEqual([]);
  });

  test("leave when their last tab has left", () => {
    const people = new People();
    people.saw("ada", "a", true, 0);
    people.saw("ada", "b", false, 0);
    expect(people.present(0)).toEqual([{ name: "ada", tabs: 2, isHidden: false }]);
    people.left("ada", "b");
    expect(people.present(0)).toEqual([{ name: "ada", tabs: 1, isHidden: true }]);
    people.left("ada", "a");
    expect(names(people, 0)).toEqual([]);
  });

  test("who were never present leave without an error", () => {
    const people = new People();
    people.left("unknown", "x");
    expect(names(people, 0)).toEqual([]);
  });
});
