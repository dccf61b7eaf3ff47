import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, fchmodSync, fstatSync, openSync, rmSync } from "node:fs";
import { LaunchError } from "./launch-error.ts";
import { writePidFile } from "./pid-file.ts";

/** A child process of the launcher. */
export interface Command {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Holds the process id while the process runs. It stays when the launcher is killed. */
  readonly pidFile: string;
}

/** A child process that runs until it is stopped. */
export interface Service extends Command {
  readonly name: string;
  /** The file for its output. Without it the output goes where the launcher's goes. */
  readonly log?: string;
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
  const { name, log } = service;
  const output = log === undefined ? "inherit" : openLog(log);
  const { child, ended } = spawnInGroup(service, output);
  if (typeof output === "number") closeSync(output);
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
export async function runScript(script: Command, signal: AbortSignal): Promise<void> {
  const { child, ended } = spawnInGroup(script, "inherit");
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
function spawnInGroup({ command, env, pidFile }: Command, output: "inherit" | number) {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { env, detached: true, stdio: ["ignore", output, output] });
  if (child.pid) writePidFile(pidFile, child.pid);
  const ended = howItEnds(child).finally(() => rmSync(pidFile, { force: true }));
  return { child, ended };
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
