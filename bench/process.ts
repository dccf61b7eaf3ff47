import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** Starts the measured programs and the one that generates the load. */

const projectDir = join(import.meta.dirname, "..");

/** The command that runs a file of this project. */
export const bun = (file: string, ...args: string[]): string[] => [
  process.execPath,
  "--no-env-file",
  join(projectDir, file),
  ...args,
];

/** The command, pinned to a core; unchanged without one. */
export const on = (core: number | undefined, command: string[]): string[] =>
  core === undefined ? command : ["taskset", "-c", String(core), ...command];

/** No other variable is passed on, so that the results do not depend on the environment. */
const environment = { PATH: process.env.PATH ?? "", GOMAXPROCS: "1" };

/** Running programs. They are killed when this process exits. */
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
 * @throws with its output, if it fails
 */
export async function runJson<T>(command: string[]): Promise<T> {
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

/** A running server, until it is disposed of. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds from its start until it was ready. */
  readonly startedWithin: number;
}

export interface ServerOptions {
  /** The command, with its port. */
  readonly command: (port: number) => string[];
  readonly env?: (port: number) => Record<string, string>;
  /** The path that shows whether the server is ready: any response but 503. */
  readonly ready: string;
  /** A file to which standard output is appended; without it, standard output is discarded. */
  readonly log?: string;
}

/** Milliseconds to wait until a server is ready. */
const TIMEOUT = 20_000;

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
  while (!(await isReady(url + ready))) {
    if (child.exitCode !== null) throw new Error(`${command(port).join(" ")} ended with ${child.exitCode}`);
    if (performance.now() - began > TIMEOUT) {
      child.kill("SIGKILL");
      throw new Error(`${command(port).join(" ")} is not ready after ${TIMEOUT / 1000} s`);
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

async function isReady(url: string): Promise<boolean> {
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

/** The resident memory of a process in bytes. Read from `ps` on systems without /proc. */
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
 * Seconds of processor time of a process and its children so far, with the 100 ticks per second of Linux; NaN on other
 * systems.
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
