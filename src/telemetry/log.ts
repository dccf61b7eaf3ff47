import { once } from "node:events";
import { type Logger, pino } from "pino";
import { withTimeout } from "../util/timeout.ts";
import { traceOf } from "../util/trace.ts";
import { HIDDEN, redact, SECRET_FIELDS } from "./redact.ts";

/** The service's log: one JSON object per line. Times are ISO 8601 in UTC, levels are words. */

export type { Logger };

export interface LogOptions {
  /** Fields that are added to every line. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface ServiceLog {
  readonly log: Logger;
  /**
   * Logs at level `info`, in a fifth of the time of `log.info`: for lines that every request causes. For checked values
   * only: no field is hidden because of its name, and text that only looks like a secret is written as it is.
   * @param fields at least one. They must not change afterwards: the line is made later, together with others
   * @param message without quotes and backslashes
   */
  readonly record: (fields: object, message: string) => void;
  /** Writes whole lines of another process's log unchanged. Resolves when there is room for more. */
  readonly pass: (lines: string) => Promise<void>;
  /** Lines that were lost so far, because the log was not read for too long. */
  dropped(): number;
  /**
   * Writes the remaining lines, and waits at most a second for a reader that does not read. To be awaited before
   * `process.exit`, which otherwise loses lines. Nothing is logged after it.
   */
  close(): Promise<void>;
}

const STDOUT = 1;
/** Characters that are kept for a slow reader; above that, lines are dropped. */
const MAX_BUFFERED = 8 * 1024 * 1024;
/** Bytes in one write. A write takes a turn of the event loop, and many lines may be logged in one turn. */
const MAX_WRITE = 1024 * 1024;
/** Milliseconds in which lines are collected to be written together. */
const BATCH_TIME = 20;
/** Lines that are written together at most. */
const BATCH_LINES = 150;
/** Milliseconds to wait for the reader at the end. */
const CLOSE_TIMEOUT = 1000;
/** Milliseconds between two reports of lost lines. */
const REPORT_EVERY = 1000;

/**
 * A log on standard output that never blocks the service. Lines are collected for 20 ms and written together, or as soon as
 * an earlier write is done. They are lost only when the process is killed, or when the log is not read.
 */
export function createLog({ fields }: LogOptions = {}): ServiceLog {
  const destination = pino.destination({
    dest: STDOUT,
    sync: false,
    // With 0, flush() reports success without waiting.
    minLength: 1,
    maxLength: MAX_BUFFERED,
    maxWrite: MAX_WRITE,
  });
  const commonFields = fields ? `${JSON.stringify(fields).slice(1, -1)},` : "";
  let batch: (string | RecordedLine)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  let dropped = 0;
  /** Lines that were lost since the last report. */
  let unreported = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  let reporting = false;

  function reportLost(): void {
    const now = performance.now();
    if (unreported === 0 || now - reportedAt < REPORT_EVERY) return;
    // Written by itself, so that a drop during the report is the report.
    writeBatch();
    const lines = unreported;
    unreported = 0;
    reporting = true;
    log.warn({ lines }, "log lines were lost: they were written faster than they were read");
    writeBatch();
    reporting = false;
    // The report itself was dropped: it is repeated later.
    if (unreported > 0) unreported = lines;
    else reportedAt = now;
  }

  destination.on("drop", (piece: string) => {
    const lines = piece.split("\n").length - 1;
    unreported += lines;
    if (!reporting) dropped += lines;
  });
  // The buffer has room again only after this event.
  destination.on("write", () => unreported > 0 && queueMicrotask(reportLost));

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

  function write(line: string | RecordedLine): void {
    batch.push(line);
    if (batch.length === 1) timer = setTimeout(writeBatch, BATCH_TIME);
    else if (batch.length === BATCH_LINES) writeBatch();
  }

  /** Makes the lines of the batch and removes secrets from all at once, which takes a third of the time. */
  function writeBatch(): void {
    clearTimeout(timer);
    const collected = batch;
    batch = [];
    const lines = collected.map((line) =>
      typeof line === "string" ? line : { audit: lineOf(line, commonFields) },
    );
    if (lines.length > 0 && !closed) destination.write(redact(lines));
  }

  // Before the destination's own listener, which writes the rest of its buffer.
  process.prependListener("exit", writeBatch);

  return {
    log,
    record: (fields, message) => write({ time: Date.now(), fields, message }),
    async pass(lines) {
      if (closed) return;
      writeBatch();
      if (!destination.write(lines)) await once(destination, "drain");
    },
    dropped: () => dropped,
    async close() {
      if (closed) return;
      writeBatch();
      closed = true;
      const flushed = new Promise<void>((resolve) => destination.flush(() => resolve()));
      await withTimeout(flushed, CLOSE_TIMEOUT, () => {});
      process.off("exit", writeBatch);
      // Otherwise it flushes again on exit, and waits for the reader without a limit.
      destination.destroy();
    },
  };
}

/** A line of `record`, before it is made. */
interface RecordedLine {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly fields: object;
  readonly message: string;
}

/** The line, in the format of pino. */
function lineOf({ time, fields, message }: RecordedLine, commonFields: string): string {
  const ownFields = JSON.stringify(fields).slice(1, -1);
  return `{"level":"info","time":"${new Date(time).toISOString()}",${commonFields}${ownFields},"msg":"${message}"}\n`;
}

/** Logs an unexpected error with its class, code and stack, but without its message, which may contain a secret. */
export function logUnexpected(log: Logger): (error: unknown) => void {
  return (error) => log.error({ error: traceOf(error) }, "unexpected error");
}

/** After an uncaught error: logs it as `logUnexpected` does, writes the rest of the log, and exits with 1. */
export function logCrashes({ log, close }: ServiceLog): void {
  const crash = async (error: unknown) => {
    // Not level `fatal`: pino then writes synchronously, past the lines before it, and waits for the reader.
    log.error({ error: traceOf(error) }, "uncaught error: the service exits");
    await close();
    process.exit(1);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
