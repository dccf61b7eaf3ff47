import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LocalConfig } from "../config/config.ts";
import { findPortProblem } from "../util/port.ts";
import { prepareDataDir } from "./data-dir.ts";
import { LaunchError } from "./launch-error.ts";
import { findProcess } from "./processes.ts";

/** What is looked for in a process's command line before it is taken for one of ours. */
const marks = {
  launcher: "local/main.ts",
  script: "/fs/nats-",
  server: "nats-server",
  mint: "server.ts",
} as const;

const leftovers = { script: "A script of the recipe", server: "nats-server", mint: "The mint" } as const;

export const pidFile = (config: LocalConfig, name: keyof typeof marks) =>
  join(config.dataDir, "run", `${name}.pid`);

/**
 * Claims the data directory for this launcher.
 * @returns gives it back
 * @throws {LaunchError} when another launcher, or what a killed one left behind, is at work on it
 */
export function claimDataDir(config: LocalConfig): () => void {
  const file = pidFile(config, "launcher");
  prepareDataDir(config.dataDir);
  const other = findProcess(file, marks.launcher);
  if (other) {
    throw new LaunchError(
      `Already running here, as process ${other}. Stop it with Ctrl-C where it was started, or with: kill ${other}\nTo start another beside it, give it its own DATA_DIR and ports.`,
    );
  }
  for (const [name, what] of Object.entries(leftovers) as [keyof typeof leftovers, string][]) {
    const pid = findProcess(pidFile(config, name), marks[name]);
    if (pid) {
      throw new LaunchError(
        `${what} is still running, as process ${pid}, left over from a launcher that was killed. Stop it, then start again: kill ${pid}`,
      );
    }
  }
  takeOver(file);
  return () => rmSync(file, { force: true });
}

/** Makes the pid file this launcher's. Of several who find the same stale one only one can move it away. */
function takeOver(file: string): void {
  const stale = `${file}.${process.pid}`;
  try {
    if (existsSync(file)) renameSync(file, stale);
    rmSync(stale, { force: true });
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch {
    throw new LaunchError("Another start began at the same moment; this one gives way.");
  }
}

/** @throws {LaunchError} naming every port that is taken */
export async function checkPorts(config: LocalConfig): Promise<void> {
  const own = { bind: config.bind, bindVariable: "NATS_BIND" };
  const monitoring = { bind: config.monitoringBind, bindVariable: "NATS_HTTP_BIND" };
  const listeners = [
    { variable: "NATS_PORT", port: config.ports.nats, ...own },
    { variable: "NATS_WS_PORT", port: config.ports.webSocket, ...own },
    { variable: "NATS_HTTP_PORT", port: config.ports.monitoring, ...monitoring },
    { variable: "MINT_PORT", port: config.ports.mint, ...own },
  ];
  const problems: string[] = [];
  for (const { variable, port, bind, bindVariable } of listeners) {
    const problem = await findPortProblem(bind, port);
    if (!problem) continue;
    const { address, code } = problem;
    if (code === "EADDRINUSE") {
      const where = address === bind ? "" : ` on ${address}, where clients of localhost may end up`;
      problems.push(
        `Port ${port} (${variable}) is in use by another program${where}. Stop that, or choose another: ${variable}=${port + 10000 > 65535 ? port - 10000 : port + 10000} npm start`,
      );
    } else {
      problems.push(
        `Port ${port} (${variable}) can't be opened on ${bind}: ${code}. Choose another, or another ${bindVariable}.`,
      );
    }
  }
  if (problems.length > 0) throw new LaunchError(problems.join("\n"));
}
