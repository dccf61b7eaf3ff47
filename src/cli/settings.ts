import { readCliConfig } from "../config/cli.ts";
import { type Env, withOptionalEnvFile } from "../config/env.ts";
import { checkSettings } from "../config/settings.ts";
import { findUnknownVariables } from "../config/unknown-variables.ts";
import { ConfigError } from "../core/errors.ts";
import { findWarnings } from "../local/warnings.ts";
import { loadPolicy } from "./load.ts";
import { expectCheck } from "./usage.ts";

/** `settings check`: what is checked before anything starts. */
export async function settingsCommand(args: string[]): Promise<number> {
  expectCheck("settings", args);
  const variables = withOptionalEnvFile();
  for (const warning of warningsOf(variables)) console.error(warning);
  const env = settingsOf(variables);
  const { auth } = checkSettings(env);
  if (auth.oidc) await loadPolicy(readCliConfig(env));
  console.log("settings: good");
  return 0;
}

const PREFIX = "SETTING_";

/** In a container, the variables without the prefix are those of `.env.local`, and of the image. */
function warningsOf(env: Env): string[] {
  const names = Object.keys(env);
  return names.some((name) => name.startsWith(PREFIX))
    ? findUnknownVariables({ ".env.local": env }, {})
    : findWarnings();
}

/**
 * In a container, docker-compose.yaml passes the settings with a prefix, and those of `.env.local` without it.
 * @throws {ConfigError} when Compose was not told to read `.env.local`, so that its settings would not apply
 */
function settingsOf(env: Env): Env {
  const settings = Object.entries(env).flatMap(([name, value]): [string, string | undefined][] =>
    name.startsWith(PREFIX) ? [[name.slice(PREFIX.length), value]] : [],
  );
  if (settings.length === 0) return env;
  const ignored = settings.filter(([name, value]) => env[name] !== undefined && env[name] !== value);
  if (ignored.length > 0 && !env.COMPOSE_ENV_FILES?.includes(".env.local")) {
    throw new ConfigError(
      `.env.local is not in use, so its ${ignored
        .map(([name]) => name)
        .sort()
        .join(
          ", ",
        )} would not apply: Docker Compose reads it only if it is named. Run: export COMPOSE_ENV_FILES=.env,.env.local`,
    );
  }
  return { ...env, ...Object.fromEntries(settings) };
}
