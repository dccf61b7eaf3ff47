import type { CliConfig } from "../config/config.ts";
import { KeysUnavailableError } from "../core/errors.ts";
import { createMint, type Mint } from "../core/mint.ts";
import { type PolicyInUse, usePolicy } from "../core/policy/active.ts";
import { policyWarnings } from "../core/policy/explain.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { readKeys } from "../files/exported-keys.ts";
import { readText } from "../files/read.ts";
import { options, rejectExtraArgs, UsageError } from "./usage.ts";

/** `policy check` */
export async function policyCommand(args: string[], config: CliConfig): Promise<number> {
  const { positionals } = options(args, {});
  const [action, ...more] = positionals;
  if (action !== "check") throw new UsageError("policy: the only thing to do is check");
  rejectExtraArgs(more);
  const { file, issuers } = await loadPolicy(config);
  const mint = await loadMint(config);
  const { rules } = file;
  console.log(
    `${config.policyFile}: ${count(rules.length, "rule")}, ${count(issuers.length, "issuer")} in use, names ` +
      (file.user ? "from a claim" : "derived from issuer and subject"),
  );
  if (!mint) console.log(`no keys in ${config.keysDir}, so the roles were not looked up`);
  const names = issuers.map(({ issuer }) => issuer);
  for (const warning of policyWarnings(file, names, mint?.roles)) console.log(`warning: ${warning}`);
  return 0;
}

/** The policy as the service uses it. */
export async function loadPolicy({ policyFile, issuer }: CliConfig): Promise<PolicyInUse> {
  return usePolicy(parsePolicyFile(await readText(policyFile)), issuer);
}

/** A mint on the exported keys; undefined while there are none. */
export async function loadMint({ keysDir }: CliConfig): Promise<Mint | undefined> {
  try {
    return createMint((await readKeys(keysDir)).mint);
  } catch (error) {
    if (error instanceof KeysUnavailableError) return undefined;
    throw error;
  }
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
