import { type Logger, pino } from "pino";
import { traceOf } from "../core/trace.ts";
import { HIDDEN, SECRET_FIELDS, withoutSecrets } from "./redact.ts";

/** The service's log: one JSON object a line. Times are ISO 8601 in UTC, levels are words. */

export type { Logger };

export interface ServiceLog {
  readonly log: Logger;
  /** Lines that were lost so far, because nobody read the log for too long. */
  dropped(): number;
  /**
   * Writes what is still to be written, but waits no longer than a second for a reader that doesn't read.
   * To be awaited before `process.exit`, which otherwise loses what is being written. Nothing is logged after it.
   */
  close(): Promise<void>;
}

const STDOUT = 1;
/** Characters that wait for a slow reader before lines are dropped. */
const MAX_WAITING = 8 * 1024 * 1024;
/** Milliseconds. */
const PATIENCE = 1000;
const TELL_EVERY = 1000;

/**
 * Makes a log that never holds up the service. A line is handed to the system at once, or, while the system is busy with
 * the one before, as soon as it is done. So nothing waits for a timer, and a crash loses what is under way at most.
 */
export function createLog(): ServiceLog {
  // With a minLength of 0 its flush() would report success without having waited.
  const destination = pino.destination({ dest: STDOUT, sync: false, minLength: 1, maxLength: MAX_WAITING });
  let closed = false;
  let dropped = 0;
  let untold = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  let telling = false;

  function tell(): void {
    const now = performance.now();
    if (untold === 0 || now - toldAt < TELL_EVERY) return;
    const lines = untold;
    untold = 0;
    telling = true;
    log.warn({ lines }, "lines of this log were lost: it was read too slowly");
    telling = false;
    // Without room for that line either, the others are told of another time.
    if (untold > 0) untold = lines;
    else toldAt = now;
  }

  destination.on("drop", () => {
    untold++;
    if (!telling) dropped++;
  });
  // The room that a write made is there when it is over.
  destination.on("write", () => untold > 0 && queueMicrotask(tell));

  const log = pino(
    {
      level: "info",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS, censor: HIDDEN },
      hooks: { streamWrite: withoutSecrets },
    },
    destination,
  );

  return {
    log,
    dropped: () => dropped,
    async close() {
      if (closed) return;
      closed = true;
      const flushed = new Promise<void>((resolve) => destination.flush(() => resolve()));
      await before(flushed, PATIENCE);
      // Otherwise it would flush once more on exit, and wait for the reader for ever.
      destination.destroy();
    },
  };
}

/** Logs an error that nobody expected: where it happened, but not what it says. */
export function logUnexpected(log: Logger): (error: unknown) => void {
  return (error) => log.error({ error: traceOf(error) }, "unexpected error");
}

/** Ends the process with 1 after an error that nobody caught, with the log written. */
export function logCrashes({ log, close }: ServiceLog): void {
  const crash = async (error: unknown) => {
    // Not fatal: pino then writes at once, past what is being written, and waits for a reader that may not read.
    log.error({ error: traceOf(error) }, "the service ends: an error that nobody caught");
    await close();
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}

async function before(work: Promise<void>, milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
