import { stripVTControlCharacters, styleText } from "node:util";
import { stripControls } from "../util/quote.ts";

/**
 * What `npm start` prints: plain lines in colour on a terminal, one JSON object per line otherwise. The objects have the
 * form of the mint's log, whose lines are then among them unchanged.
 */

export type Level = "info" | "warn" | "error";

export interface Line {
  readonly level: Level;
  /** What it is from: `npm start`, a script of the recipe, or `mint`. */
  readonly source: string;
  readonly msg: string;
  /** Further fields, such as the addresses. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

export interface Output {
  readonly isTerminal: boolean;
  line(line: Line): void;
  /** A text of several lines for a terminal, and what it says as one line otherwise. */
  block(text: (style: Style) => string, line: Line): void;
  /**
   * How far work is. On a terminal, the line is written again and again in one place until `done`; otherwise it is a line
   * of its own, at most one in ten seconds.
   */
  progress(msg: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Ends the line of `progress`. */
  done(): void;
  /** A line of a script or of the mint's log, as it was written. */
  child(source: string, level: Level, text: string): void;
}

type Format = Parameters<typeof styleText>[0];
export type Style = (format: Format | undefined, text: string) => string;

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface OutputOptions {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Milliseconds between two lines about progress that are not on a terminal. */
const PROGRESS_EVERY = 10_000;
export const LAUNCHER = "npm start";

/** @see https://no-color.org */
const wantsColor = ({ NO_COLOR, TERM }: OutputOptions["env"]): boolean => !NO_COLOR && TERM !== "dumb";

export function createOutput(options: OutputOptions): Output {
  return options.stdout.isTTY ? terminalOutput(options) : jsonOutput(options);
}

function terminalOutput({ stdout, stderr, env }: OutputOptions): Output {
  const hasColor = wantsColor(env);
  const style: Style = (format, text) =>
    hasColor && format ? styleText(format, text, { validateStream: false }) : text;
  let hasProgress = false;

  function write(level: Level, text: string): void {
    if (hasProgress) stdout.write("\r\x1b[K");
    hasProgress = false;
    (level === "error" ? stderr : stdout).write(`${text}\n`);
  }

  const output: Output = {
    isTerminal: true,
    line({ level, source, msg }) {
      const from = source === LAUNCHER ? "" : style("cyan", `${source}: `);
      const lines = msg.split("\n").map((text) => `${from}${style(COLORS[level], stripControls(text))}`);
      write(level, lines.join("\n"));
    },
    block: (text, { level }) => write(level, text(style)),
    progress(msg) {
      const text = stripControls(msg).slice(0, Math.max(20, (stdout.columns || 80) - 1));
      stdout.write(`\r\x1b[K${style("dim", text)}`);
      hasProgress = true;
    },
    done() {
      if (hasProgress) stdout.write("\n");
      hasProgress = false;
    },
    child(source, level, text) {
      const entry = readLogLine(text);
      if (!entry) {
        output.line({ ...fromScript(source, text), level });
        return;
      }
      const time = style("dim", entry.time);
      const fields = entry.fields.map(([name, value]) => style("dim", ` ${name}=${stripControls(value)}`));
      const msg = style(COLORS[entry.level], stripControls(entry.msg));
      write("info", `${time} ${style("cyan", `${source}: `)}${msg}${fields.join("")}`);
    },
  };
  return output;
}

const COLORS: Readonly<Record<Level, Format | undefined>> = { info: undefined, warn: "yellow", error: "red" };

function jsonOutput({ stdout, stderr, now = performance.now.bind(performance) }: OutputOptions): Output {
  let reportedAt = Number.NEGATIVE_INFINITY;
  const output: Output = {
    isTerminal: false,
    line({ level, source, msg, fields }) {
      const time = new Date().toISOString();
      const line = JSON.stringify({ level, time, source, msg: stripVTControlCharacters(msg), ...fields });
      (level === "error" ? stderr : stdout).write(`${line}\n`);
    },
    block: (_, line) => output.line(line),
    progress(msg, fields) {
      if (now() - reportedAt < PROGRESS_EVERY) return;
      reportedAt = now();
      output.line({ level: "info", source: LAUNCHER, msg, ...(fields && { fields }) });
    },
    done() {
      reportedAt = Number.NEGATIVE_INFINITY;
    },
    child(source, level, text) {
      if (readLogLine(text)) stdout.write(`${text}\n`);
      else output.line({ ...fromScript(source, text), level });
    },
  };
  return output;
}

/** A script's line, which begins with the script's name. A program that it calls writes its own lines. */
function fromScript(source: string, text: string): { readonly source: string; readonly msg: string } {
  const prefix = `${source}: `;
  return { source, msg: text.startsWith(prefix) ? text.slice(prefix.length) : text };
}

interface LogLine {
  readonly level: Level;
  /** The local time of day. */
  readonly time: string;
  readonly msg: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** A line of the mint's log; undefined for any other text. */
function readLogLine(text: string): LogLine | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { level, time, msg, ...rest } = JSON.parse(text);
    if (typeof level !== "string" || typeof msg !== "string" || Number.isNaN(Date.parse(time)))
      return undefined;
    return {
      level: level === "warn" ? "warn" : level === "error" || level === "fatal" ? "error" : "info",
      time: new Date(time).toTimeString().slice(0, 8),
      msg,
      fields: Object.entries(rest).map(([name, value]) => [
        name,
        typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value),
      ]),
    };
  } catch {
    return undefined;
  }
}
