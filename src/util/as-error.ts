/** What was thrown, as an Error: an application's functions may throw anything. */
export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error("something other than an Error was thrown", { cause: thrown });
