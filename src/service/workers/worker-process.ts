import type { ServiceLog } from "../../telemetry/log.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { WORKER } from "./worker.ts";

/** A worker as its supervisor sees it: a child process. */

/** `starting` until it accepts requests; then `ready`, until it has ended. */
export type WorkerState = "starting" | "ready" | "ended";

export interface WorkerProcess {
  readonly number: number;
  /** Undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly state: WorkerState;
  /** True once it is ready; false when it ended before. */
  readonly ready: Promise<boolean>;
  /** Resolves when it has ended, or could not be started. Never rejects. */
  readonly ended: Promise<End>;
  /** Resolves when all lines of its log have been passed on. */
  readonly logPassed: Promise<void>;
  /** Does nothing when it has ended. */
  readonly send: (message: ToWorker) => void;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** How a worker ended. */
export interface End {
  /** For the log: the exit code, the signal, or why it could not be started. */
  readonly how: string;
  /** Whether it exited with a code. It has then reported the reason itself. */
  readonly exited: boolean;
}

export interface StartOptions {
  readonly number: number;
  /** Called for each message, until the worker has ended. */
  readonly onMessage: (worker: WorkerProcess, message: FromWorker) => void;
  /** Takes the lines of the worker's log. */
  readonly passLog: ServiceLog["pass"];
}

type Child = Bun.Subprocess<"ignore", "pipe", "inherit">;

/** Starts this program once more, as a worker. */
export function startWorker({ number, onMessage, passLog }: StartOptions): WorkerProcess {
  let state: WorkerState = "starting";
  const ready = Promise.withResolvers<boolean>();
  const child = spawn(number, (message) => {
    // The last message may arrive after the process has ended.
    if (state === "ended") return;
    if (message.type === "ready") {
      state = "ready";
      ready.resolve(true);
    }
    onMessage(worker, message);
  });

  async function waitForEnd(): Promise<End> {
    const end = child instanceof Error ? notStarted(child) : await endOf(child);
    state = "ended";
    ready.resolve(false);
    return end;
  }

  const worker: WorkerProcess = {
    number,
    pid: child instanceof Error ? undefined : child.pid,
    get state() {
      return state;
    },
    ready: ready.promise,
    ended: waitForEnd(),
    logPassed: child instanceof Error ? Promise.resolve() : passLines(child.stdout, passLog),
    send(message) {
      if (state === "ended" || child instanceof Error) return;
      try {
        child.send(message);
      } catch {
        // It has just ended, and its supervisor will see that.
      }
    },
    kill(signal) {
      if (!(child instanceof Error)) child.kill(signal);
    },
  };
  return worker;
}

/** @returns an error when the system can't start another process */
function spawn(number: number, ipc: (message: FromWorker) => void): Child | Error {
  try {
    return Bun.spawn([process.execPath, ...process.execArgv, Bun.main, WORKER, String(number)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      ipc,
    });
  } catch (error) {
    return error as Error;
  }
}

async function endOf(child: Child): Promise<End> {
  await child.exited;
  const { signalCode, exitCode } = child;
  return signalCode
    ? { how: `signal ${signalCode}`, exited: false }
    : { how: `exit code ${exitCode}`, exited: true };
}

const notStarted = (error: NodeJS.ErrnoException): End => ({
  how: String(error.code ?? error.name),
  exited: false,
});

/** Passes on a worker's log in whole lines, so that lines of several workers don't mix. */
async function passLines(log: ReadableStream<Uint8Array>, pass: ServiceLog["pass"]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of log) {
    const text = rest + decoder.decode(part, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    if (end > 0) await pass(text.slice(0, end));
  }
}
