import { getEventListeners } from "node:events";
import { aborted } from "../util/aborted.ts";
import { withTimeout } from "../util/timeout.ts";

/** The stop signal of a process, and what follows it: the requests that have begun are finished. */

/** Milliseconds to finish the requests that have begun; a container is killed 10 s after its stop signal. */
const GRACE = 8000;

export interface StopOptions {
  /** Another event of the process that has the effect of a signal. */
  readonly orOn?: "disconnect";
  /** Called at the second signal; by default it ends the process at once. */
  readonly onSecond?: () => void;
}

/**
 * Aborted by the first SIGTERM or SIGINT, so that requests can be finished. As long as the signal has no listener,
 * nothing is served yet, and the process ends at once.
 */
export function stopSignal({ orOn, onSecond = () => process.exit(0) }: StopOptions = {}): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) onSecond();
    else if (hasListeners(controller.signal)) controller.abort();
    else process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  if (orOn) process.on(orOn, stop);
  return controller.signal;
}

const hasListeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length > 0;

/**
 * When `stopping` is aborted, closes the port and idle connections, and waits for requests until the grace period ends.
 * Resolves when all connections are closed.
 */
export async function closeAfter(stopping: AbortSignal, server: Bun.Server<undefined>): Promise<void> {
  await aborted(stopping);
  await withTimeout(server.stop(), GRACE, () => {});
  await server.stop(true);
}
