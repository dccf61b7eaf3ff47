import { ConfigError } from "../core/errors.ts";
import { readClientConfig } from "./client.ts";
import type { Env } from "./env.ts";
import { readLocalConfig } from "./local.ts";
import { type MintConfig, readMintConfig } from "./mint.ts";
import { checkRecipeSettings } from "./recipe.ts";

/**
 * Checks all settings of the recipe, before anything starts: by `npm start`, and by the service `check` of
 * docker-compose.yaml.
 * @returns the mint's configuration
 * @throws {ConfigError} with one line for each mistake
 */
export function checkSettings(env: Env): MintConfig {
  // The recipe sets these itself.
  const paths = {
    MINT_KEYS_DIR: "keys",
    MINT_POLICY_FILE: "policy.json",
    MINT_API_KEYS_FILE: "api-keys.json",
  };
  const all = { ...env, ...paths };
  const mistakes: string[] = [];
  const attempt = <T>(read: (env: Env) => T): T | undefined => {
    try {
      return read(all);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      mistakes.push(...error.message.split("\n"));
      return undefined;
    }
  };
  attempt(checkRecipeSettings);
  attempt(readLocalConfig);
  attempt(readClientConfig);
  const mint = attempt(readMintConfig);
  if (!mint || mistakes.length > 0) throw new ConfigError([...new Set(mistakes)].join("\n"));
  return mint;
}
