import { expect, test } from "bun:test";
import { backoffDelay } from "./backoff.ts";

test("the delay starts at the first one and doubles up to the longest one, however many failures there were", () => {
  const delays = [0, 1, 2, 3, 10_000].map((failures) => backoffDelay(failures, { first: 100, longest: 500 }));
  expect(delays).toEqual([100, 200, 400, 500, 500]);
});
