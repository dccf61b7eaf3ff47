import { setTimeout as after } from "node:timers/promises";
import type { MintConfig } from "../../config/mint.ts";
import { createLog, logCrashes, logUnexpected, type ServiceLog } from "../../telemetry/log.ts";
import { createTotals } from "../../telemetry/totals.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { WORKER } from "./worker.ts";

/**
 * Starts this program several times, as workers that serve one port, and looks after them: one that ends by itself is
 * started again, and all end with this process. It serves nothing itself.
 */

/** Milliseconds before a worker that has ended is started again, doubled each time that it ends soon again. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;
/** Milliseconds of listening after which all that was is forgiven. */
const STEADY = 10_000;
/** Times in a row that a worker may end before it listens, while no other listens either. */
const ATTEMPTS = 5;
/** Milliseconds between two questions to a worker, and how many of them it may leave unanswered. */
const ASK_EVERY = 5000;
const UNANSWERED = 3;
/** Milliseconds that the last lines of workers that have ended have to be read. */
const PATIENCE = 1000;
/** Milliseconds that workers have to stop. They need 8 s and a second for the log; a container is killed after 10. */
const GRACE = 9500;

export interface SuperviseOptions {
  readonly config: MintConfig;
  /** Stops the workers, and ends it when they have ended. */
  readonly stopping: AbortSignal;
}

type Child = Bun.Subprocess<"ignore", "pipe", "inherit">;

interface Running {
  /** Whether it came to listen; decided when it does, or when it has ended. */
  readonly listening: Promise<boolean>;
  /** How it ended, when it has. */
  readonly ended: Promise<End>;
}

interface End {
  readonly how: string;
  /** Whether it ended with a code of its own; it has said why then. */
  readonly byItself: boolean;
}

/** Runs until all workers have ended. Resolves with the code to exit with. */
export async function supervise({ config, stopping }: SuperviseOptions): Promise<number> {
  const logging = createLog();
  logCrashes(logging);
  const { log } = logging;
  const children = new Map<number, Child>();
  /** Those that requests can reach, with how many questions each has left unanswered. */
  const serving = new Map<number, number>();
  /** What is still to be read of the workers' logs. */
  const lines = new Set<Promise<void>>();
  const gaveUp = new AbortController();
  const ending = AbortSignal.any([stopping, gaveUp.signal]);
  const totals = createTotals({
    ask() {
      for (const number of serving.keys()) say(number, { type: "figures" });
      return serving.keys();
    },
  });
  // One that hangs would leave its share of the connections without an answer for ever. Counted in questions: when the
  // whole machine was asleep nobody has left any unanswered.
  const asking = setInterval(() => {
    for (const [number, unanswered] of serving) {
      serving.set(number, unanswered + 1);
      if (unanswered < UNANSWERED) say(number, { type: "figures" });
      else {
        log.error({ worker: number }, "a worker hangs, and is ended");
        children.get(number)?.kill("SIGKILL");
      }
    }
  }, ASK_EVERY);

  const kill = (signal: NodeJS.Signals) => {
    for (const child of children.values()) child.kill(signal);
  };
  process.on("exit", () => kill("SIGKILL"));
  stopping.addEventListener("abort", () => {
    kill("SIGTERM");
    setTimeout(() => kill("SIGKILL"), GRACE).unref();
  });

  function start(number: number): Running {
    const { promise: listening, resolve } = Promise.withResolvers<boolean>();

    function hear(message: FromWorker, child: Child): void {
      // What it said last may arrive when its end is known already.
      if (children.get(number) !== child) return;
      if (message.type === "figures") {
        serving.set(number, 0);
        totals.told(number, message.figures);
      } else if (message.type === "totals") void tellTotals(number);
      else {
        serving.set(number, 0);
        log.info({ worker: number, pid: child.pid }, "a worker listens");
        resolve(true);
      }
    }

    async function untilEnded(): Promise<End> {
      const child = spawn(number, hear);
      children.set(number, child);
      const passed = passOn(child.stdout, logging.pass).finally(() => lines.delete(passed));
      lines.add(passed);
      await child.exited;
      children.delete(number);
      serving.delete(number);
      totals.ended(number);
      const { signalCode, exitCode } = child;
      return signalCode
        ? { how: `signal ${signalCode}`, byItself: false }
        : { how: `exit code ${exitCode}`, byItself: true };
    }

    // The system may have no room for another process.
    const ended = untilEnded().catch((error) => ({ how: String(error.code ?? error.name), byItself: false }));
    void ended.then(() => resolve(false));
    return { listening, ended };
  }

  function say(number: number, message: ToWorker): void {
    try {
      children.get(number)?.send(message);
    } catch {
      // It has just ended, and will be started again.
    }
  }

  async function tellTotals(number: number): Promise<void> {
    const body = await totals.collect().catch(logUnexpected(log));
    say(number, body === undefined ? { type: "totals" } : { type: "totals", body });
  }

  /** Starts a worker again whenever it ends, until it is told to stop. */
  async function keep(number: number, worker: Running, onListening: () => void): Promise<void> {
    let failures = 0;
    for (;;) {
      const listened = await worker.listening;
      if (listened) onListening();
      const since = performance.now();
      const { how } = await worker.ended;
      if (ending.aborted) return;
      if (listened && performance.now() - since > STEADY) failures = 0;
      const pause = Math.min(FIRST_PAUSE * 2 ** failures++, LONGEST_PAUSE);
      if (!listened && failures >= ATTEMPTS && serving.size === 0) {
        log.error(
          { worker: number, how },
          "workers end before they listen, again and again: the mint gives up",
        );
        gaveUp.abort();
        return;
      }
      log.error(
        { worker: number, how, milliseconds: pause },
        "a worker ended by itself and is started again",
      );
      await after(pause, undefined, { signal: ending }).catch(() => {});
      if (ending.aborted) return;
      worker = start(number);
    }
  }

  async function run(): Promise<number> {
    // What is wrong with a file ends the first one, which says so once. The others would say the same.
    const first = start(1);
    if (!(await first.listening) || stopping.aborted) {
      const { how, byItself } = await first.ended;
      if (stopping.aborted) return 0;
      if (!byItself)
        log.error({ worker: 1, how }, "the first worker ended before it listened: the mint gives up");
      return 1;
    }
    const listening: Promise<void>[] = [];
    const kept: Promise<void>[] = [];
    for (let number = 1; number <= config.workers; number++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      listening.push(promise);
      kept.push(keep(number, number === 1 ? first : start(number), resolve));
    }
    void Promise.all(listening).then(() =>
      log.info(`mint listens on http://${config.host}:${config.port}, with ${config.workers} workers`),
    );
    await Promise.race([Promise.all(kept), aborted(gaveUp.signal)]);
    return gaveUp.signal.aborted ? 1 : 0;
  }

  const code = await run();
  clearInterval(asking);
  await Promise.race([Promise.all(lines), after(PATIENCE)]);
  await logging.close();
  return code;
}

/** This program once more, as a worker. */
const spawn = (number: number, ipc: (message: FromWorker, child: Child) => void) =>
  Bun.spawn([process.execPath, ...process.execArgv, Bun.main, WORKER, String(number)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    ipc,
  });

/** Passes on a worker's log as it comes, in whole lines: so those of several workers don't tear each other. */
async function passOn(log: ReadableStream<Uint8Array>, pass: ServiceLog["pass"]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of log) {
    const text = rest + decoder.decode(part, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    if (end > 0) await pass(text.slice(0, end));
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
