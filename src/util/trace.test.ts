import { expect, test } from "bun:test";
import { formatTrace, traceOf } from "./trace.ts";

const SECRET = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl";

test("has the class and the stack of an error, and not its message", () => {
  const trace = traceOf(new TypeError(`bad token ${SECRET}`));
  expect(trace.name).toBe("TypeError");
  expect(trace.at[0]).toContain("trace.test.ts");
  expect(JSON.stringify(trace) + formatTrace(trace)).not.toContain(SECRET);
});

test("takes no line of a message for a frame of the stack", () => {
  const error = new Error(`it failed\n    at ${SECRET} (file.ts:1:1)`);
  expect(JSON.stringify(traceOf(error))).not.toContain(SECRET);
});

test("keeps the code of a system error, also of a cause", () => {
  const cause = Object.assign(new Error(SECRET), { code: "ECONNREFUSED" });
  const trace = traceOf(new Error("failed", { cause }));
  expect(trace.cause).toMatchObject({ name: "Error", code: "ECONNREFUSED" });
  expect(formatTrace(trace)).toMatch(/^Error\n {4}at .*\ncaused by Error \(ECONNREFUSED\)\n {4}at /s);
});

test("leaves out names and codes that are not words, and values that are not errors", () => {
  const error = Object.assign(new Error("x"), { name: `Bad ${SECRET}`, code: SECRET, stack: SECRET });
  expect(traceOf(error)).toEqual({ name: "Error", at: [] });
  expect(traceOf(SECRET)).toEqual({ name: "not an Error but string", at: [] });
  expect(traceOf(undefined)).toEqual({ name: "not an Error but undefined", at: [] });
});

test("is bounded, also for errors that are causes of each other", () => {
  const one = new Error("one");
  one.cause = new Error("other", { cause: one });
  one.stack = Array.from({ length: 1000 }, () => `    at ${"f".repeat(1000)}`).join("\n");
  expect(formatTrace(traceOf(one)).length).toBeLessThan(20_000);
});
