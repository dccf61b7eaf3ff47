import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readCliConfig } from "../config/cli.ts";
import type { LocalConfig } from "../config/local.ts";
import { checkSettings } from "../config/settings.ts";
import { MintError } from "../core/errors.ts";
import { activatePolicy } from "../core/policy/active.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { findPortProblem, type PortProblem } from "../util/port.ts";
import { prepareDataDir } from "./data-dir.ts";
import { LaunchError } from "./launch-error.ts";
import { findProcess, pidFile } from "./pid-file.ts";

/**
 * Checks all settings, and with oidc the policy, before anything is built or started.
 * @throws {ConfigError} with one line for each wrong setting
 * @throws {LaunchError} when the policy can't be used
 */
export async function checkConfiguration({ environment }: Pick<LocalConfig, "environment">): Promise<void> {
  const { auth } = checkSettings(environment);
  if (!auth.oidc) return;
  const { policyFile, issuer, allowHttp } = readCliConfig(environment);
  const text = existsSync(policyFile) ? await Bun.file(policyFile).text() : undefined;
  try {
    activatePolicy(parsePolicyFile(text, { allowHttp }), issuer);
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    throw new LaunchError(`${policyFile}: ${error.message}\nNothing was started.`);
  }
}

/**
 * Claims the data directory for this launcher.
 * @returns releases it
 * @throws {LaunchError} when another launcher uses it, or processes of a killed one
 */
export function claimDataDir(config: LocalConfig): () => void {
  prepareDataDir(config.dataDir);
  refuseOtherLauncher(config);
  refuseLeftovers(config);
  const file = pidFile(config, "launcher");
  takePidFile(file);
  return () => rmSync(file, { force: true });
}

function refuseOtherLauncher(config: LocalConfig): void {
  const pid = findProcess(config, "launcher");
  if (pid === undefined) return;
  throw new LaunchError(
    `Already running here, as process ${pid}. Stop it with Ctrl-C where it was started, or with: kill ${pid}\nTo start another one beside it, give that its own DATA_DIR and ports.`,
  );
}

const CHILDREN = { script: "A script of the recipe", server: "nats-server", mint: "The mint" } as const;

function refuseLeftovers(config: LocalConfig): void {
  const leftovers = (Object.keys(CHILDREN) as (keyof typeof CHILDREN)[]).flatMap((name) => {
    const pid = findProcess(config, name);
    return pid === undefined ? [] : [{ name: CHILDREN[name], pid }];
  });
  if (leftovers.length === 0) return;
  const found = leftovers.map(
    ({ name, pid }) =>
      `${name} is still running, as process ${pid}, left over from a launcher that was killed.`,
  );
  const [space, them] = leftovers.length === 1 ? [" ", "it"] : ["\n", "them"];
  const pids = leftovers.map(({ pid }) => pid).join(" ");
  throw new LaunchError(`${found.join("\n")}${space}Stop ${them}, then start again: kill ${pids}`);
}

/**
 * Writes this launcher's pid file, in the place of one whose process has ended. Of several launchers that start at the
 * same moment only one can rename the old file and create the new one.
 */
function takePidFile(file: string): void {
  const stale = `${file}.${process.pid}`;
  try {
    if (existsSync(file)) renameSync(file, stale);
    rmSync(stale, { force: true });
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch {
    throw new LaunchError("Another launcher started at the same moment. This one ends; nothing was started.");
  }
}

interface Listener {
  /** The port and its variable. */
  readonly port: number;
  readonly variable: string;
  /** The address and its variable. */
  readonly bind: string;
  readonly bindVariable: string;
}

/** @throws {LaunchError} with one line for every port that can't be opened */
export async function checkPorts(config: LocalConfig): Promise<void> {
  const problems: string[] = [];
  for (const listener of listeners(config)) {
    const problem = await findPortProblem(listener.bind, listener.port);
    if (problem) problems.push(describeProblem(listener, problem));
  }
  if (problems.length > 0) throw new LaunchError(problems.join("\n"));
}

function listeners({ ports, bind, monitoringBind }: LocalConfig): Listener[] {
  const own = { bind, bindVariable: "NATS_BIND" };
  const monitoring = { bind: monitoringBind, bindVariable: "NATS_HTTP_BIND" };
  return [
    { variable: "NATS_PORT", port: ports.nats, ...own },
    { variable: "NATS_WS_PORT", port: ports.webSocket, ...own },
    { variable: "NATS_HTTP_PORT", port: ports.monitoring, ...monitoring },
    { variable: "MINT_PORT", port: ports.mint, ...own },
  ];
}

function describeProblem({ port, variable, bind, bindVariable }: Listener, { address, code }: PortProblem) {
  if (code !== "EADDRINUSE") {
    return `Port ${port} (${variable}) can't be opened on ${bind}: ${code}. Choose another, or another ${bindVariable}.`;
  }
  const where = address === bind ? "" : ` on ${address}, which clients of localhost may reach`;
  const other = port + 10_000 > 65_535 ? port - 10_000 : port + 10_000;
  return `Port ${port} (${variable}) is in use by another program${where}. Stop that program, or choose another port: ${variable}=${other} npm start`;
}
