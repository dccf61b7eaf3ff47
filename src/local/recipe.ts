import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildDemo } from "../../demo/build.ts";
import type { LocalConfig } from "../config/local.ts";
import { urlHost } from "../config/shared.ts";
import { aborted } from "../util/aborted.ts";
import { LaunchError } from "./launch-error.ts";
import { LAUNCHER, type Output, type Style } from "./output.ts";
import { addressFile, pidFile } from "./pid-file.ts";
import { type Running, runScript, startService } from "./processes.ts";

/** Milliseconds that a service has to stop before it is killed. */
const GRACE = 10_000;
/** Milliseconds between two requests for the mint's readiness. */
const READY_INTERVAL = 20;
/** Lines of a service's log in the message about its unexpected end. */
const LOG_LINES = 5;

type Env = Readonly<Record<string, string>>;

export interface RecipeOptions {
  readonly config: LocalConfig;
  /** The environment of the scripts and services. */
  readonly env: Env;
  readonly output: Output;
  readonly stopping: AbortSignal;
}

/**
 * Runs the same scripts and services as docker-compose.yaml, in the same order, until `stopping` is aborted or a service
 * ends. Everything has stopped when it returns or throws.
 * @throws {LaunchError} when a script fails or a service ends by itself
 */
export async function runRecipe({ config, env, output, stopping }: RecipeOptions): Promise<void> {
  const script = (name: string, signal = stopping) =>
    runScript(
      scriptCommand(config, env, name),
      (level, text) => output.child(dirname(name), level, text),
      signal,
    );
  const services: Running[] = [];
  try {
    mkdirSync(join(config.dataDir, "keys"), { recursive: true, mode: 0o700 });
    await buildDemo(demoDir(config));
    await script("nats-init/init.sh");

    const server = startServer(config, env);
    services.push(server);
    await whileRunning(server, stopping, (signal) => script("nats-push/push.sh", signal));
    await script("nats-export/export.sh");

    const mint = startMint(config, env, output);
    services.push(mint);
    await whileRunning(mint, stopping, (signal) => waitUntilReady(config.mintUrl, signal));

    writeFileSync(addressFile(config), config.mintUrl);
    showAddresses(config, output);
    await Promise.race([aborted(stopping), ...services.map(failOnEnd)]);
  } finally {
    rmSync(addressFile(config), { force: true });
    if (services.length > 0) output.line({ level: "info", source: LAUNCHER, msg: "Stopping ..." });
    await stopAll(services);
  }
}

const demoDir = ({ dataDir }: LocalConfig) => join(dataDir, "demo");

const scriptCommand = (config: LocalConfig, env: Env, name: string) => ({
  command: ["/bin/sh", join(config.projectDir, "fs", name)],
  env,
  pidFile: pidFile(config, "script"),
});

function startServer(config: LocalConfig, env: Env): Running {
  const program = Bun.which("nats-server", { PATH: env.PATH ?? "" }) ?? "nats-server";
  return startService({
    name: "nats-server",
    command: [program, "-c", join(config.dataDir, "nats/config/nats.conf")],
    env,
    output: join(config.dataDir, "nats-server.log"),
    pidFile: pidFile(config, "server"),
  });
}

function startMint(config: LocalConfig, env: Env, output: Output): Running {
  return startService({
    name: "the mint",
    command: [process.execPath, "--no-env-file", join(config.projectDir, "src/service/main.ts")],
    env: { ...env, MINT_DEMO_DIR: demoDir(config) },
    output: (level, text) => output.child("mint", level, text),
    pidFile: pidFile(config, "mint"),
  });
}

/**
 * Does work that needs a service.
 * @param work given a signal that is aborted by `stopping` and when the service ends
 * @throws {LaunchError} when the service ends before the work, or `stopping` is aborted; the work has ended by then
 */
async function whileRunning(
  service: Running,
  stopping: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  void service.ended.then(() => ended.abort());
  const working = work(AbortSignal.any([stopping, ended.signal]));
  try {
    await Promise.race([working, failOnEnd(service)]);
  } finally {
    await working.catch(() => {});
  }
  if (stopping.aborted) throw new LaunchError("Stopped.");
}

/** @throws {LaunchError} when the service has ended, with the last lines of its log */
async function failOnEnd({ name, ended, log }: Running): Promise<never> {
  const how = await ended;
  const lines = log === undefined ? "" : lastLines(log);
  throw new LaunchError(
    `${name} ended by itself (${how}).${lines && ` The last lines of its log, ${log}:\n${lines}`}`,
  );
}

const lastLines = (path: string): string =>
  existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").slice(-LOG_LINES).join("\n") : "";

async function waitUntilReady(mintUrl: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await isReady(mintUrl))) await Bun.sleep(READY_INTERVAL);
}

const isReady = (mintUrl: string): Promise<boolean> =>
  fetch(`${mintUrl}/readyz`).then(
    (response) => response.ok,
    () => false,
  );

/** Stops the services one by one, the last one first. */
async function stopAll(services: readonly Running[]): Promise<void> {
  for (const service of services.toReversed()) await service.stop(GRACE);
}

/** Leaves out the monitoring's path: it is a secret, and the output may end up in a log that other users can read. */
function showAddresses(config: LocalConfig, output: Output): void {
  const { ports, host, monitoringBind, dataDir, mintUrl, auth } = config;
  const addresses = {
    mint: mintUrl,
    NATS: `nats://${host}:${ports.nats}`,
    WebSocket: `ws://${host}:${ports.webSocket}`,
    monitoring: `http://${urlHost(monitoringBind)}:${ports.monitoring}`,
  };
  const path = `under the path in ${join(dataDir, "nats/config/monitoring.conf")}`;
  const next = auth.includes("dev") ? firstSteps(mintUrl) : otherSteps(mintUrl);
  const table = (style: Style) =>
    Object.entries(addresses)
      .map(([name, url]) => `  ${name.padEnd(10)}  ${style("cyan", url)}`)
      .join("\n");
  output.block(
    (style) => `
${style("bold", "Ready.")}

${table(style)}, ${path}

${next}

Ctrl-C stops everything; the state stays.
`,
    {
      level: "info",
      source: LAUNCHER,
      msg: `Ready.\n${next}\nCtrl-C stops everything; the state stays.`,
      fields: { addresses },
    },
  );
}

const firstSteps = (
  mintUrl: string,
): string => `Open ${mintUrl} in two tabs of a browser. Or, in another terminal:
  curl -s ${mintUrl}/creds -H 'Content-Type: application/json' -d '{"user":"alice"}'
  npm run client -- --user alice`;

const otherSteps = (mintUrl: string): string => `${mintUrl}/docs describes the requests.`;
