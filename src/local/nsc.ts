import { join } from "node:path";
import { readLocalConfig } from "../config/local.ts";
import { ConfigError } from "../core/errors.ts";
import { prepareDataDir } from "./data-dir.ts";
import { serviceEnvironment } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";
import { prepareTools } from "./tools.ts";

/** `npm run nsc -- list accounts`: nsc with the keys of the recipe that `npm start` runs. */

try {
  process.exit(await runNsc(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}

/** Its exit code. */
async function runNsc(args: string[]): Promise<number> {
  const config = readLocalConfig();
  prepareDataDir(config.dataDir);
  const env = serviceEnvironment(config, await prepareTools(config));
  return Bun.spawnSync(["/bin/sh", join(config.projectDir, "fs/nsc/nsc.sh"), ...args], {
    env,
    stdio: ["inherit", "inherit", "inherit"],
  }).exitCode;
}
