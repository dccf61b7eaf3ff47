import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildDemo } from "../../demo/build.ts";
import { type LocalConfig, readLocalConfig, urlHost } from "../config/config.ts";
import { ConfigError } from "../core/errors.ts";
import { checkPorts, claimDataDir, pidFile } from "./checks.ts";
import { serviceEnvironment } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";
import { type Running, run, start } from "./processes.ts";
import { prepareTools } from "./tools.ts";

/** The recipe without Docker: the same scripts, the same nats.conf, the same order as docker-compose.yaml. */

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => stopping.abort());
}

try {
  const config = readLocalConfig();
  const giveBack = claimDataDir(config);
  try {
    const path = await prepareTools(config, stopping.signal);
    await checkPorts(config);
    await runRecipe(config, serviceEnvironment(config, path));
  } finally {
    giveBack();
  }
} catch (error) {
  if (stopping.signal.aborted) process.exit(0);
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  console.error(`\n${error.message}`);
  process.exit(1);
}
process.exit(0);

/** Starts everything, waits for the end, stops everything. */
async function runRecipe(config: LocalConfig, env: Record<string, string>): Promise<void> {
  const running: Running[] = [];
  const script = (name: string, signal = stopping.signal) =>
    run(
      { command: ["/bin/sh", join(config.projectDir, "fs", name)], env, pidFile: pidFile(config, "script") },
      signal,
    );
  mkdirSync(join(config.dataDir, "keys"), { recursive: true, mode: 0o700 });
  const demoDir = join(config.dataDir, "demo");
  try {
    await buildDemo(demoDir);
    await script("nats-init/init.sh");

    const log = join(config.dataDir, "nats-server.log");
    const server = start({
      name: "nats-server",
      command: [
        Bun.which("nats-server", { PATH: env.PATH ?? "" }) ?? "nats-server",
        "-c",
        join(config.dataDir, "nats/config/nats.conf"),
      ],
      env,
      log,
      pidFile: pidFile(config, "server"),
    });
    running.push(server);
    await orGone(server, log, script("nats-push/push.sh", either(stopping.signal, server)));
    await script("nats-export/export.sh");

    const mint = start({
      name: "the mint",
      command: [process.execPath, "--no-env-file", join(config.projectDir, "src/service/main.ts")],
      env: { ...env, MINT_DEMO_DIR: demoDir },
      pidFile: pidFile(config, "mint"),
    });
    running.push(mint);
    await orGone(mint, undefined, untilReady(config.mintUrl, either(stopping.signal, mint)));
    greet(config);

    await Promise.race([aborted(stopping.signal), gone(server, log), gone(mint, undefined)]);
  } finally {
    if (running.length > 0) console.log("\nStopping ...");
    for (const service of running.reverse()) {
      await service.stop(10_000);
    }
  }
}

/** A signal that also fires when the service ends by itself, so that nobody waits for it. */
function either(signal: AbortSignal, service: Running): AbortSignal {
  const ended = new AbortController();
  void service.ended.then(() => ended.abort());
  return AbortSignal.any([signal, ended.signal]);
}

/** The work, unless the service it needs is gone before; the work has ended then too. */
async function orGone(service: Running, log: string | undefined, work: Promise<void>): Promise<void> {
  try {
    await Promise.race([work, gone(service, log)]);
  } finally {
    await work.catch(() => undefined);
  }
  if (stopping.signal.aborted) throw new LaunchError("Stopped.");
}

async function gone(service: Running, log: string | undefined): Promise<never> {
  const how = await service.ended;
  const words =
    log && existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").slice(-5).join("\n") : "";
  throw new LaunchError(
    `${service.name} ended by itself (${how}).${words && ` Its last words, from ${log}:\n${words}`}`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function untilReady(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ready = await fetch(`${url}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) return;
    await Bun.sleep(20);
  }
}

/** Without the monitoring's path, which is a secret: output may end up in a log that others read. */
function greet({ ports, host, monitoringBind, dataDir, mintUrl, auth }: LocalConfig): void {
  console.log(`
  mint        ${mintUrl}
  NATS        nats://${host}:${ports.nats}
  WebSocket   ws://${host}:${ports.webSocket}
  monitoring  http://${urlHost(monitoringBind)}:${ports.monitoring}, under the path in ${join(dataDir, "nats/config/monitoring.conf")}

${auth.includes("dev") ? tryIt(mintUrl) : `${mintUrl}/docs says what to send.`}

Ctrl-C stops everything; the state stays.`);
}

function tryIt(mintUrl: string): string {
  return `Open ${mintUrl} in two tabs of a browser. Or, in another terminal:
  curl -s ${mintUrl}/creds -H 'Content-Type: application/json' -d '{"user":"alice"}'
  npm run client -- --user alice`;
}
