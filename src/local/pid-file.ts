import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Files with the process ids of the launcher and its children, for the next start to find them. */

/** The processes, each with a part of its command line. */
const COMMAND_PARTS = {
  launcher: "local/main.ts",
  script: "/fs/nats-",
  server: "nats-server",
  mint: "service/main.ts",
} as const;

export type ProcessName = keyof typeof COMMAND_PARTS;

export const pidFile = ({ dataDir }: { readonly dataDir: string }, name: ProcessName): string =>
  join(dataDir, "run", `${name}.pid`);

/** The file that holds the mint's URL while the recipe runs. */
export const addressFile = ({ dataDir }: { readonly dataDir: string }): string =>
  join(dataDir, "run", "mint.url");

/** The URL of the mint that a launcher with this data directory runs; undefined when none does. */
export function findRunningMint(config: { readonly dataDir: string }): string | undefined {
  if (findProcess(config, "launcher") === undefined || !existsSync(addressFile(config))) return undefined;
  return readFileSync(addressFile(config), "utf8");
}

export function writePidFile(path: string, pid: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, String(pid));
}

/** The id of the process in its pid file, if it still runs; never this process. */
export function findProcess(config: { readonly dataDir: string }, name: ProcessName): number | undefined {
  const path = pidFile(config, name);
  if (!existsSync(path)) return undefined;
  const pid = Number(readFileSync(path, "utf8"));
  if (!Number.isInteger(pid) || pid < 2 || pid === process.pid) return undefined;
  // The system may have given the id of a process that ended to another program.
  return commandLine(pid).includes(COMMAND_PARTS[name]) ? pid : undefined;
}

/** A process's command line; empty when there is no such process. */
function commandLine(pid: number): string {
  if (!existsSync("/proc/self/cmdline")) {
    return String(Bun.spawnSync(["ps", "-o", "command=", "-p", String(pid)]).stdout);
  }
  try {
    return readFileSync(join("/proc", String(pid), "cmdline"), "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
