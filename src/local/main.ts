import { readLocalConfig } from "../config/local.ts";
import { ConfigError } from "../core/errors.ts";
import { checkConfiguration, checkPorts, claimDataDir } from "./checks.ts";
import { serviceEnvironment } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";
import { createOutput, LAUNCHER } from "./output.ts";
import { runRecipe } from "./recipe.ts";
import { prepareTools } from "./tools.ts";
import { findWarnings } from "./warnings.ts";

/** `npm start`: the recipe without Docker. */

const output = createOutput({ stdout: process.stdout, stderr: process.stderr, env: process.env });

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => stopping.abort());
}

try {
  await launch(stopping.signal);
} catch (error) {
  if (!stopping.signal.aborted) fail(error);
}
process.exit(0);

async function launch(stopping: AbortSignal): Promise<void> {
  // First: a misspelt variable may be the reason why another one is missing.
  for (const msg of findWarnings()) output.line({ level: "warn", source: LAUNCHER, msg });
  const config = readLocalConfig();
  await checkConfiguration(config);
  const release = claimDataDir(config);
  try {
    // Before the tools, which may take minutes to build.
    await checkPorts(config);
    const path = await prepareTools(config, { output, signal: stopping });
    await runRecipe({ config, env: serviceEnvironment(config, path), output, stopping });
  } finally {
    release();
  }
}

function fail(error: unknown): never {
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  output.line({ level: "error", source: LAUNCHER, msg: error.message });
  process.exit(1);
}
