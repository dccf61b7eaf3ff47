import { join } from "node:path";
import { z } from "zod";
import type { OidcIssuer } from "../core/policy/issuer.ts";
import { ALWAYS, type Env, envReader, projectDir, variablesOf, withOptionalEnvFile } from "./env.ts";
import { checkIssuer, DATA_DIR, ISSUER, MINT_POLICY_FILE, toIssuer } from "./shared.ts";
import { text } from "./values.ts";

/** The configuration of the mint's commands. */
export interface CliConfig {
  /** The directory that the keys are exported to. */
  readonly keysDir: string;
  readonly policyFile: string;
  readonly apiKeysFile: string;
  /** The issuer of `OIDC_ISSUER`, which the policy file does not list. */
  readonly issuer?: OidcIssuer | undefined;
  /** Whether issuers may be reached by plain http. */
  readonly allowHttp: boolean;
  /** A file of authorities that certificates of issuers may be from. */
  readonly caFile?: string | undefined;
}

const CLI = z
  .object({
    DATA_DIR,
    MINT_KEYS_DIR: text.optional(),
    MINT_POLICY_FILE: MINT_POLICY_FILE.prefault(join(projectDir, "fs/mint/policy.json")),
    MINT_API_KEYS_FILE: text.default(join(projectDir, "fs/mint/api-keys.json")),
    ...ISSUER,
  })
  .superRefine(checkIssuer, ALWAYS);

/** The names of the variables that `readCliConfig` reads. */
export const CLI_VARIABLES = variablesOf({ CLI });

/** @throws {ConfigError} with one line for each mistake */
export function readCliConfig(env: Env = withOptionalEnvFile()): CliConfig {
  const { cli } = envReader(env).read({ cli: CLI });
  return {
    keysDir: cli.MINT_KEYS_DIR ?? join(cli.DATA_DIR, "keys"),
    policyFile: cli.MINT_POLICY_FILE,
    apiKeysFile: cli.MINT_API_KEYS_FILE,
    issuer: toIssuer(cli),
    allowHttp: cli.OIDC_ALLOW_HTTP,
    caFile: cli.OIDC_CA_FILE,
  };
}
