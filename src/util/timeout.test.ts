import { expect, test } from "bun:test";
import { withTimeout } from "./timeout.ts";

const never = new Promise<never>(() => {});
const fail = () => {
  throw new Error("too late");
};

test("work that ends in time gives its result or its error", async () => {
  expect(await withTimeout(Promise.resolve(1), 60_000, fail)).toBe(1);
  await expect(withTimeout(Promise.reject(new Error("failed")), 60_000, fail)).rejects.toThrow("failed");
});

test("work that takes longer gives what onTimeout returns or throws", async () => {
  expect(await withTimeout(never, 1, () => "instead")).toBe("instead");
  await expect(withTimeout(never, 1, fail)).rejects.toThrow("too late");
});

test("an error of the work after the limit is not an unhandled rejection", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  expect(await withTimeout(promise, 1, () => "instead")).toBe("instead");
  // An unhandled rejection fails the test run.
  reject(new Error("later"));
  await new Promise((resolve) => setTimeout(resolve));
});

test("the timer of work that ended in time keeps no process alive", async () => {
  const script = `import { withTimeout } from ${JSON.stringify(`${import.meta.dir}/timeout.ts`)};
    await withTimeout(Promise.resolve(), 2 ** 31 - 1, () => {});`;
  expect(await Bun.spawn([process.execPath, "-e", script]).exited).toBe(0);
});
