import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, fchmodSync, fstatSync, openSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { withTimeout } from "../util/timeout.ts";
import { LaunchError } from "./launch-error.ts";
import type { Level } from "./output.ts";
import { writePidFile } from "./pid-file.ts";

/** Milliseconds to read the rest of the output of a process that has ended. */
const DRAIN = 500;

/** A child process of the launcher. */
export interface Command {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Holds the process id while the process runs. It stays when the launcher is killed. */
  readonly pidFile: string;
}

/** Receives each line of a child's output; `warn` for standard error. */
export type OnLine = (level: Level, text: string) => void;

/** A child process that runs until it is stopped. */
export interface Service extends Command {
  readonly name: string;
  /** The file for its output, or what receives it. */
  readonly output: string | OnLine;
}

export interface Running {
  readonly name: string;
  readonly log: string | undefined;
  /** Resolves when the process has ended, with how: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Sends SIGTERM, and SIGKILL after `grace` milliseconds. Resolves when the process has ended. */
  stop(grace: number): Promise<void>;
}

/** @throws {LaunchError} when its log can't be opened */
export function startService(service: Service): Running {
  const { name, output } = service;
  const log = typeof output === "string" ? output : undefined;
  const target = typeof output === "string" ? openLog(output) : output;
  const { child, ended } = spawnInGroup(service, target);
  if (typeof target === "number") closeSync(target);
  return {
    name,
    log,
    ended,
    async stop(grace) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), grace);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Runs a script to its end.
 * @param signal stops it with SIGTERM
 * @throws {LaunchError} when it fails, after it has printed why, or is stopped
 */
export async function runScript(script: Command, onLine: OnLine, signal: AbortSignal): Promise<void> {
  const { child, ended } = spawnInGroup(script, onLine);
  const stop = () => child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  const how = await ended;
  signal.removeEventListener("abort", stop);
  if (how !== "exit code 0") {
    throw new LaunchError(signal.aborted ? "Stopped." : "Not started: see the message above.");
  }
}

/**
 * Starts a process in a process group of its own: Ctrl-C in a terminal then reaches the launcher alone, which stops its
 * children in order.
 */
function spawnInGroup({ command, env, pidFile }: Command, output: number | OnLine) {
  const [program = "", ...args] = command;
  const target = typeof output === "number" ? output : "pipe";
  const child = spawn(program, args, { env, detached: true, stdio: ["ignore", target, target] });
  if (child.pid) writePidFile(pidFile, child.pid);
  const read =
    typeof output === "number"
      ? []
      : [readLines(child.stdout, "info", output), readLines(child.stderr, "warn", output)];
  const ended = howItEnds(child)
    // Its last lines. A process that it left behind may keep the pipe open.
    .then((how) => withTimeout(Promise.all(read), DRAIN, () => {}).then(() => how))
    .finally(() => rmSync(pidFile, { force: true }));
  return { child, ended };
}

async function readLines(stream: Readable | null, level: Level, onLine: OnLine): Promise<void> {
  if (!stream) return;
  for await (const line of createInterface({ input: stream })) onLine(level, line);
}

function howItEnds(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`));
  });
}

/** Opens an empty log with mode 600. Refuses a symbolic link, which would be a way to empty another file. */
function openLog(path: string): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    // O_NONBLOCK: opening a named pipe would otherwise wait for a reader.
    const log = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (!fstatSync(log).isFile()) {
      throw new LaunchError(`The log ${path} is not a file. Remove it, then start again.`);
    }
    fchmodSync(log, 0o600);
    return log;
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ELOOP" ? "it is a symbolic link" : message;
    throw new LaunchError(`The log ${path} can't be written: ${why}. Remove it, then start again.`);
  }
}
