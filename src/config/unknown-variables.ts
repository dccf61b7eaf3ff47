import { nearestName } from "../util/nearest.ts";
import { CLI_VARIABLES } from "./cli.ts";
import { CLIENT_VARIABLES } from "./client.ts";
import type { Env } from "./env.ts";
import { LOCAL_VARIABLES } from "./local.ts";
import { MINT_VARIABLES } from "./mint.ts";
import { RECIPE_VARIABLES } from "./recipe.ts";

/** Variables that look like settings of the recipe but are none, so that a misspelt name is not silently ignored. */

/** The variables of `.env` that only docker-compose.yaml reads. */
const VERSIONS = ["NATS_VER", "NATS_BOX_VER", "BUN_VER"];

/** All settings. */
export const KNOWN_VARIABLES: ReadonlySet<string> = new Set([
  ...VERSIONS,
  ...RECIPE_VARIABLES,
  ...MINT_VARIABLES,
  ...LOCAL_VARIABLES,
  ...CLI_VARIABLES,
  ...CLIENT_VARIABLES,
]);

/** Variables of other programs whose names are near those of settings. */
const OF_OTHERS = new Set([
  "NATS_URL",
  "NATS_CERT",
  "NATS_KEY",
  "NATS_CA",
  "NATS_CREDS",
  "NATS_NKEY",
  "NATS_USER",
]);

/** Typing errors up to which a name counts as misspelt. */
const MOST_ERRORS = 2;

/**
 * One sentence for each variable that is probably a misspelt setting.
 * @param files the variables of each file, in which every name that begins as the settings do is reported
 * @param processEnv the environment, which has variables of other programs too: only names near a setting are reported
 */
export function findUnknownVariables(files: Readonly<Record<string, Env>>, processEnv: Env): string[] {
  return [
    ...Object.entries(files).flatMap(([file, env]) => describeUnknown(env, file, /^(MINT|NATS|OIDC)_/i)),
    ...describeUnknown(processEnv, "the environment", /^MINT_/i),
  ];
}

function describeUnknown(env: Env, where: string, ours: RegExp): string[] {
  return Object.keys(env).flatMap((name) => {
    if (KNOWN_VARIABLES.has(name) || OF_OTHERS.has(name)) return [];
    const nearest =
      name.length > 2 * MOST_ERRORS ? nearestName(name, KNOWN_VARIABLES, MOST_ERRORS) : undefined;
    if (!nearest && !ours.test(name)) return [];
    const hint = nearest ? `Did you mean ${nearest}?` : "docs/configuration.md has all of them.";
    return `${name} in ${where} is not a setting, and is ignored. ${hint}`;
  });
}
