import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** Programs that are measured, and the one that makes the load. */

const projectDir = join(import.meta.dirname, "..");

/** The command that runs a file of this project. */
export const bun = (file: string, ...args: string[]): string[] => [
  process.execPath,
  "--no-env-file",
  join(projectDir, file),
  ...args,
];

/** The command, kept on one core; as it is without one. */
export const on = (core: number | undefined, command: string[]): string[] =>
  core === undefined ? command : ["taskset", "-c", String(core), ...command];

/** Nothing from around here changes what a contender does. */
const environment = { PATH: process.env.PATH ?? "", GOMAXPROCS: "1" };

/** What runs. Nothing of it is left behind, however this ends. */
const children = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

function track<T extends Bun.Subprocess>(child: T): T {
  children.add(child);
  void child.exited.then(() => children.delete(child));
  return child;
}

/**
 * Runs a program to its end.
 * @returns the JSON that it has printed
 * @throws with what it said, when it fails
 */
export async function answerOf<T>(command: string[]): Promise<T> {
  const child = track(Bun.spawn(command, { env: environment, stdio: ["ignore", "pipe", "pipe"] }));
  const [out, error, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const json = out.split("\n").findLast((line) => line.startsWith("{"));
  if (code !== 0 || !json) throw new Error(`${command.join(" ")} ended with ${code}: ${error || out}`);
  return JSON.parse(json);
}

/** A server that answers, until it is disposed of. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds from its start to its first answer. */
  readonly startedWithin: number;
}

export interface ServerOptions {
  /** The command, once it is known which port it gets. */
  readonly command: (port: number) => string[];
  readonly env?: (port: number) => Record<string, string>;
  /** What to ask for to know that it is ready; every answer but 503 will do. */
  readonly ready: string;
  /** What its standard output is added to; it goes nowhere without. */
  readonly log?: string;
}

/** Milliseconds. */
const PATIENCE = 20_000;

export async function serve({ command, env, ready, log }: ServerOptions): Promise<Running> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const output = log === undefined ? undefined : openSync(log, "a", 0o600);
  const began = performance.now();
  const child = track(
    Bun.spawn(command(port), {
      env: { ...environment, ...env?.(port) },
      stdio: ["ignore", output ?? "ignore", "inherit"],
    }),
  );
  if (output !== undefined) closeSync(output);
  while (!(await answers(url + ready))) {
    if (child.exitCode !== null) throw new Error(`${command(port).join(" ")} ended with ${child.exitCode}`);
    if (performance.now() - began > PATIENCE) {
      child.kill("SIGKILL");
      throw new Error(`${command(port).join(" ")} is not ready after ${PATIENCE / 1000} s`);
    }
    await Bun.sleep(2);
  }
  return {
    pid: child.pid,
    url,
    startedWithin: performance.now() - began,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const { status } = await fetch(url, { keepalive: false });
    return status !== 503;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Bytes of memory that the process has. Taken from `ps` where the system doesn't show them as files. */
export function residentBytes(pid: number): number {
  let kibibytes: string | undefined;
  try {
    kibibytes = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  } catch {
    kibibytes = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)])
      .stdout.toString()
      .trim();
  }
  return Number(kibibytes) * 1024;
}

/**
 * Seconds that processors have worked for the process and its children so far, at the 100 ticks a second that Linux shows;
 * NaN elsewhere.
 */
export function processorSeconds(pid: number): number {
  try {
    const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
    const [user, system] = fields.split(" ").slice(11, 13).map(Number);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
    const own = (Number(user) + Number(system)) / 100;
    return children.reduce((sum, child) => sum + processorSeconds(Number(child)), own);
  } catch {
    return Number.NaN;
  }
}
