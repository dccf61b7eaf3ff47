import type { CliConfig } from "../config/cli.ts";
import { policyWarnings } from "../core/policy/explain.ts";
import { loadMint, loadPolicy } from "./load.ts";
import { expectCheck } from "./usage.ts";

/** `policy check` */
export async function policyCommand(args: string[], config: CliConfig): Promise<number> {
  expectCheck("policy", args);
  const { file, names } = await loadPolicy(config);
  const mint = await loadMint(config);
  const { rules } = file;
  console.log(
    `${config.policyFile}: ${count(rules.length, "rule")}, ${count(names.length, "issuer")} in use, user names ` +
      (file.user ? "from a claim" : "derived from issuer and subject"),
  );
  if (!mint)
    console.log(`there are no keys in ${config.keysDir}, so the roles of the rules were not checked`);
  for (const warning of policyWarnings(file, names, mint?.roles)) console.log(`warning: ${warning}`);
  return 0;
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;
