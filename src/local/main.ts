import { readLocalConfig } from "../config/local.ts";
import { checkSettings } from "../config/settings.ts";
import { ConfigError } from "../core/errors.ts";
import { checkPorts, claimDataDir } from "./checks.ts";
import { serviceEnvironment } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";
import { runRecipe } from "./recipe.ts";
import { prepareTools } from "./tools.ts";

/** `npm start`: the recipe without Docker. */

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

async function launch(signal: AbortSignal): Promise<void> {
  const config = readLocalConfig();
  checkSettings(config.environment);
  const release = claimDataDir(config);
  try {
    const path = await prepareTools(config, signal);
    await checkPorts(config);
    await runRecipe(config, serviceEnvironment(config, path), signal);
  } finally {
    release();
  }
}

function fail(error: unknown): never {
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  console.error(`\n${error.message}`);
  process.exit(1);
}
