import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Programs run side by side, each with its output in one piece. */

export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Takes much memory: few of these run at the same time. */
  readonly isLarge?: boolean;
}

export interface Ended {
  readonly job: Job;
  readonly exitCode: number;
  /** What it wrote to its output and its error output, in order. */
  readonly output: string;
  readonly seconds: number;
}

interface Options {
  readonly workers: number;
  /** How many large jobs may run at the same time. */
  readonly large: number;
  readonly cwd: string;
  /** A directory for the jobs' output. */
  readonly dir: string;
  readonly onEnd: (ended: Ended) => void;
}

/** A job that runs longer hangs, and is ended. */
const LIMIT = 20 * 60_000;

const groups = new Set<number>();

/** Runs all jobs, in their order as far as large ones need not wait. */
export async function runJobs(jobs: readonly Job[], options: Options): Promise<void> {
  const waiting = [...jobs];
  let large = 0;

  async function work(): Promise<void> {
    while (true) {
      const next = waiting.findIndex(({ isLarge }) => !isLarge || large < options.large);
      const [job] = next < 0 ? [] : waiting.splice(next, 1);
      // What waits now are large jobs. The workers that have one take the next.
      if (!job) return;
      if (job.isLarge) large++;
      const ended = await runJob(job, options);
      if (job.isLarge) large--;
      options.onEnd(ended);
    }
  }

  await Promise.all(Array.from({ length: options.workers }, work));
}

async function runJob(job: Job, { cwd, dir }: Options): Promise<Ended> {
  const began = performance.now();
  const log = join(dir, `${job.name.replaceAll("/", "-")}.log`);
  const file = openSync(log, "a");
  // In a process group of its own, which ends with it: nothing that it started stays.
  const child = Bun.spawn([...job.command], {
    cwd,
    env: { ...process.env, ...job.env },
    stdio: ["ignore", file, file],
    detached: true,
  });
  closeSync(file);
  groups.add(child.pid);
  const timer = setTimeout(() => killGroup(child.pid), LIMIT);
  const exitCode = await child.exited;
  clearTimeout(timer);
  killGroup(child.pid);
  groups.delete(child.pid);
  return { job, exitCode, output: readFileSync(log, "utf8"), seconds: (performance.now() - began) / 1000 };
}

/** Ends all that runs. */
export function killJobs(): void {
  for (const group of groups) killGroup(group);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It is empty.
  }
}
