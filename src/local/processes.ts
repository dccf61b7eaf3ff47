import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { LaunchError } from "./launch-error.ts";

/** What a long-running child is started with. */
export interface Service {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  /** Where its output goes; without it, to the launcher's. */
  readonly log?: string;
  /** Where its process id is written, for the next start to find it if this launcher is killed. */
  readonly pidFile: string;
}

export interface Running {
  readonly name: string;
  /** Settles when the process is gone, with how it ended. */
  readonly ended: Promise<string>;
  /** Asks it to stop, and makes it after `patience` milliseconds. */
  stop(patience: number): Promise<void>;
}

/**
 * Starts a process in a group of its own: a Ctrl-C in the terminal reaches the launcher alone, which then stops
 * its children in order.
 */
export function start(service: Service): Running {
  const [program = "", ...rest] = service.command;
  const output = service.log ? openLog(service.log) : "inherit";
  const child = spawn(program, rest, { env: service.env, detached: true, stdio: ["ignore", output, output] });
  if (typeof output === "number") closeSync(output);
  if (child.pid) writePid(service.pidFile, child.pid);
  const ended = whenEnded(child).finally(() => rmSync(service.pidFile, { force: true }));
  return {
    name: service.name,
    ended,
    async stop(patience) {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), patience);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Empties the log of the run before, or makes it. A link in its place is not followed. */
function openLog(path: string): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    // Not blocking: a pipe would wait for a reader.
    const log = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (!fstatSync(log).isFile())
      throw new LaunchError(`The log ${path} is not a file. Remove it, then start again.`);
    fchmodSync(log, 0o600);
    return log;
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ELOOP" ? "it is a symbolic link" : message;
    throw new LaunchError(`The log ${path} can't be written: ${why}. Remove it, then start again.`);
  }
}

/** Runs a script to its end. @throws {LaunchError} when it fails; it has said why */
export async function run(
  { command, env, pidFile }: Pick<Service, "command" | "env" | "pidFile">,
  signal: AbortSignal,
): Promise<void> {
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, { env, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  if (child.pid) writePid(pidFile, child.pid);
  const kill = () => child.kill("SIGTERM");
  signal.addEventListener("abort", kill);
  if (signal.aborted) kill();
  const how = await whenEnded(child);
  signal.removeEventListener("abort", kill);
  rmSync(pidFile, { force: true });
  if (how !== "exit code 0") throw new LaunchError(signal.aborted ? "Stopped." : "Not started: see above.");
}

function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code === null ? `signal ${signal}` : `exit code ${code}`));
  });
}

function writePid(file: string, pid: number): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, String(pid));
}

/** The process that a pid file names, if it is still there and is what it should be. */
export function findProcess(pidFile: string, commandPart: string): number | undefined {
  if (!existsSync(pidFile)) return undefined;
  const pid = Number(readFileSync(pidFile, "utf8"));
  if (!Number.isInteger(pid) || pid < 2 || pid === process.pid) return undefined;
  return commandLine(pid).includes(commandPart) ? pid : undefined;
}

/** A process's command line; empty when there is none. A process id alone may have gone to somebody else. */
function commandLine(pid: number): string {
  const file = join("/proc", String(pid), "cmdline");
  if (existsSync("/proc/self/cmdline")) {
    try {
      return readFileSync(file, "utf8").replaceAll("\0", " ");
    } catch {
      return "";
    }
  }
  return String(Bun.spawnSync(["ps", "-o", "command=", "-p", String(pid)]).stdout);
}
