import { join } from "node:path";
import { readLocalConfig } from "../config/config.ts";
import { prepareDataDir } from "./data-dir.ts";
import { serviceEnvironment } from "./environment.ts";
import { LaunchError } from "./launch-error.ts";
import { prepareTools } from "./tools.ts";

/** `npm run nsc -- list accounts`: nsc on the keys of the recipe that `npm start` runs. */

const config = readLocalConfig();
try {
  prepareDataDir(config.dataDir);
} catch (error) {
  if (!(error instanceof LaunchError)) throw error;
  console.error(error.message);
  process.exit(1);
}
const env = serviceEnvironment(config, await prepareTools(config));
const { exitCode } = Bun.spawnSync(
  ["/bin/sh", join(config.projectDir, "fs/nsc/nsc.sh"), ...process.argv.slice(2)],
  {
    env,
    stdio: ["inherit", "inherit", "inherit"],
  },
);
process.exit(exitCode);
