import type { CliConfig } from "../config/cli.ts";
import { KeysUnavailableError } from "../core/errors.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { type ActivePolicy, activatePolicy } from "../core/policy/active.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { readKeys } from "../files/exported-keys.ts";
import { readText, withPath } from "../files/read.ts";

/** The files of the mint, as the service uses them. */

/** @throws {ConfigError} that lists everything wrong, one line per place */
export async function loadPolicy({ policyFile, issuer, allowHttp }: CliConfig): Promise<ActivePolicy> {
  const text = await readText(policyFile);
  return aboutFile(policyFile, () => activatePolicy(parsePolicyFile(text, { allowHttp }), issuer));
}

/** @throws {ConfigError} with the file's name in each line, when its content is wrong */
export function aboutFile<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw withPath(path, error as Error);
  }
}

/**
 * A mint with the roles that can be used, of the exported keys; undefined when nothing has been exported yet.
 * @throws {InvalidKeysError} when the keys can't be used
 */
export async function loadMint({ keysDir }: CliConfig): Promise<Mint | undefined> {
  try {
    const { mint } = await readKeys(keysDir);
    return createMint({ ...mint, onUnusableRole: ({ message }) => console.error(`warning: ${message}`) });
  } catch (error) {
    if (error instanceof KeysUnavailableError) return undefined;
    throw error;
  }
}
