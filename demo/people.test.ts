import { describe, expect, test } from "bun:test";
import { People } from "./people.ts";

const names = (people: People, now: number) => people.present(now).map(({ name }) => name);

describe("people", () => {
  test("are here as long as their ticks come, in the order of their names", () => {
    const people = new People();
    people.saw("grace", "g", false, 0);
    people.saw("ada", "a", false, 1000);
    expect(names(people, 2000)).toEqual(["ada", "grace"]);
    expect(names(people, 3500)).toEqual(["ada"]);
    expect(names(people, 5000)).toEqual([]);
  });

  test("are given more time in the background, where browsers hold timers back", () => {
    const people = new People();
    people.saw("ada", "a", true, 0);
    expect(people.present(60_000)).toEqual([{ name: "ada", tabs: 1, isHidden: true }]);
    expect(names(people, 100_000)).toEqual([]);
  });

  test("leave when their last tab says so", () => {
    const people = new People();
    people.saw("ada", "a", true, 0);
    people.saw("ada", "b", false, 0);
    expect(people.present(0)).toEqual([{ name: "ada", tabs: 2, isHidden: false }]);
    people.left("ada", "b");
    expect(people.present(0)).toEqual([{ name: "ada", tabs: 1, isHidden: true }]);
    people.left("ada", "a");
    expect(names(people, 0)).toEqual([]);
  });

  test("who are not known can't leave", () => {
    const people = new People();
    people.left("nobody", "x");
    expect(names(people, 0)).toEqual([]);
  });
});
