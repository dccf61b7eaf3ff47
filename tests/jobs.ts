import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Runs programs in parallel. The output of each is kept together. */

export interface Job {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  /** Needs much memory: few of these run at the same time. */
  readonly isLarge?: boolean;
}

export interface FinishedJob {
  readonly job: Job;
  readonly exitCode: number;
  /** Standard output and standard error, in order. */
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
  readonly onEnd: (ended: FinishedJob) => void;
}

/** Milliseconds after which a job is killed. */
const TIME_LIMIT = 20 * 60_000;

const groups = new Set<number>();

/** Runs all jobs in order, except that a large job may have to wait for another one. */
export async function runJobs(jobs: readonly Job[], options: Options): Promise<void> {
  const waiting = [...jobs];
  let large = 0;

  async function work(): Promise<void> {
    while (true) {
      const next = waiting.findIndex(({ isLarge }) => !isLarge || large < options.large);
      const [job] = next < 0 ? [] : waiting.splice(next, 1);
      // Only large jobs are left. The workers that run one take the next.
      if (!job) return;
      if (job.isLarge) large++;
      const ended = await runJob(job, options);
      if (job.isLarge) large--;
      options.onEnd(ended);
    }
  }

  await Promise.all(Array.from({ length: options.workers }, work));
}

async function runJob(job: Job, { cwd, dir }: Options): Promise<FinishedJob> {
  const began = performance.now();
  const log = join(dir, `${job.name.replaceAll("/", "-")}.log`);
  const file = openSync(log, "a");
  // In its own process group, which is killed when the job has ended, with all processes that it started.
  const child = Bun.spawn([...job.command], {
    cwd,
    env: { ...process.env, ...job.env },
    stdio: ["ignore", file, file],
    detached: true,
  });
  closeSync(file);
  groups.add(child.pid);
  const timer = setTimeout(() => killGroup(child.pid), TIME_LIMIT);
  const exitCode = await child.exited;
  clearTimeout(timer);
  killGroup(child.pid);
  groups.delete(child.pid);
  return { job, exitCode, output: readFileSync(log, "utf8"), seconds: (performance.now() - began) / 1000 };
}

/** Kills all running jobs. */
export function killJobs(): void {
  for (const group of groups) killGroup(group);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // The group has no process any more.
  }
}
