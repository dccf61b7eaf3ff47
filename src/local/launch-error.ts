/** Stops the launcher. The message says what is wrong and what to do, and is printed without a stack trace. */
export class LaunchError extends Error {
  override name = "LaunchError";
}
