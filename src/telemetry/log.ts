import { once } from "node:events";
import { type Logger, pino } from "pino";
import { withTimeout } from "../util/timeout.ts";
import { traceOf } from "../util/trace.ts";
import { HIDDEN, redact, SECRET_FIELDS } from "./redact.ts";

/** The service's log: one JSON object a line. Times are ISO 8601 in UTC, levels are words. */

export type { Logger };

export interface LogOptions {
  /** What every line has. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface ServiceLog {
  readonly log: Logger;
  /**
   * Logs as `log.info` does, for what is said of every request: pino takes five times as long. Fields are not looked at
   * by their names, and what only looks like a secret is written as it is: they are for values that have been checked.
   * @param fields one at least, and not to be changed any more: the line is made a moment later, together with others
   * @param message plain words, without quotes
   */
  readonly record: (fields: object, message: string) => void;
  /**
   * Writes lines of another process's log, which are whole and as they should be. Resolves when there is room for more.
   */
  readonly pass: (lines: string) => Promise<void>;
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
/** Bytes that are written together. A write ends with a turn of the event loop, and in one turn much may be said. */
const MAX_WRITE = 1024 * 1024;
/** What is handed over together: the lines of so many milliseconds, and no more than so many. */
const MOMENT = 20;
const MOST_LINES = 150;
const PATIENCE = 1000;
const TELL_EVERY = 1000;

/**
 * Makes a log that never holds up the service. The lines of twenty milliseconds are handed to the system together, or, while
 * the system is busy with those before, as soon as it is done. Only a process that is killed loses them.
 */
export function createLog({ fields }: LogOptions = {}): ServiceLog {
  const destination = pino.destination({
    dest: STDOUT,
    sync: false,
    // With 0 its flush() would report success without having waited.
    minLength: 1,
    maxLength: MAX_WAITING,
    maxWrite: MAX_WRITE,
  });
  const always = fields ? `${JSON.stringify(fields).slice(1, -1)},` : "";
  let waiting: (string | Recorded)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
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
    log.warn({ lines }, "lines of this log were lost: more was said than was read");
    telling = false;
    // Without room for that line either, the others are told of another time.
    if (untold > 0) untold = lines;
    else toldAt = now;
  }

  destination.on("drop", (piece: string) => {
    const lines = piece.split("\n").length - 1;
    untold += lines;
    if (!telling) dropped += lines;
  });
  // The room that a write made is there when it is over.
  destination.on("write", () => untold > 0 && queueMicrotask(tell));

  const log = pino(
    {
      level: "info",
      base: fields ?? null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS, censor: HIDDEN },
    },
    { write },
  );

  function write(line: string | Recorded): void {
    waiting.push(line);
    if (waiting.length === 1) timer = setTimeout(hand, MOMENT);
    else if (waiting.length === MOST_LINES) hand();
  }

  /** Hands over what waits. To make lines, and to look for secrets in them, many at once takes a third of the time. */
  function hand(): void {
    clearTimeout(timer);
    const taken = waiting;
    waiting = [];
    const lines = taken.map((line) => (typeof line === "string" ? line : { audit: lineOf(line, always) }));
    if (lines.length > 0 && !closed) destination.write(redact(lines));
  }

  // Before the destination writes what it has, on its own way out.
  process.prependListener("exit", hand);

  return {
    log,
    record: (fields, message) => write({ time: Date.now(), fields, message }),
    async pass(lines) {
      if (closed) return;
      hand();
      if (!destination.write(lines)) await once(destination, "drain");
    },
    dropped: () => dropped,
    async close() {
      if (closed) return;
      hand();
      closed = true;
      const flushed = new Promise<void>((resolve) => destination.flush(() => resolve()));
      await withTimeout(flushed, PATIENCE, () => {});
      process.off("exit", hand);
      // Otherwise it would flush once more on exit, and wait for the reader for ever.
      destination.destroy();
    },
  };
}

/** A line that is still to be made. */
interface Recorded {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly fields: object;
  readonly message: string;
}

/** As pino writes it. */
function lineOf({ time, fields, message }: Recorded, always: string): string {
  const said = JSON.stringify(fields).slice(1, -1);
  return `{"level":"info","time":"${new Date(time).toISOString()}",${always}${said},"msg":"${message}"}\n`;
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
