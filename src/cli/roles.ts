import { existsSync } from "node:fs";
import { join } from "node:path";
import { projectDir } from "../config/env.ts";
import { readLocalConfig } from "../config/local.ts";
import { serviceEnvironment } from "../local/environment.ts";
import { prepareTools } from "../local/tools.ts";
import { findIgnoredRoleFiles } from "../local/warnings.ts";
import { expectCheck, InputError } from "./usage.ts";

/** `roles check`: runs the check that `nats-init` runs at a start, and changes nothing. */
export async function rolesCommand(args: string[]): Promise<number> {
  expectCheck("roles", args);
  const script = join(projectDir, "fs/nats-init/init.sh");
  // The mint's image has neither the script nor jq.
  if (!existsSync(script)) {
    throw new InputError(
      "the role files are not here. In Docker, the check is: docker compose run --rm nats-init check",
    );
  }
  for (const warning of findIgnoredRoleFiles()) console.error(warning);
  const config = readLocalConfig();
  const env = serviceEnvironment(config, await prepareTools(config));
  return Bun.spawnSync(["/bin/sh", script, "check"], { env, stdio: ["ignore", "inherit", "inherit"] })
    .exitCode;
}
