import { fetchKeySet } from "../auth/jwt/discovery.ts";
import { parseKeySet } from "../auth/jwt/key-set.ts";
import type { CliConfig } from "../config/cli.ts";
import { fetchTrusting } from "../files/authorities.ts";
import { quote } from "../util/quote.ts";
import { loadPolicy } from "./load.ts";
import { expectCheck } from "./usage.ts";

/** `issuers check` */
export async function issuersCommand(args: string[], config: CliConfig): Promise<number> {
  expectCheck("issuers", args);
  const { issuers } = await loadPolicy(config);
  const fetch = await fetchTrusting(config.caFile);
  const { signal } = new AbortController();
  const results = await Promise.all(
    issuers.map(async (issuer) => {
      try {
        const json = await fetchKeySet(issuer, signal, { allowHttp: config.allowHttp, fetch });
        const { size, weak } = parseKeySet(json);
        console.log(
          `issuer ${quote(issuer.issuer)}: ${size} ${size === 1 ? "key" : "keys"}${weak > 0 ? `, and ${weak} that are too short` : ""}`,
        );
        return true;
      } catch (error) {
        console.log(`issuer ${quote(issuer.issuer)}: ${(error as Error).message}`);
        return false;
      }
    }),
  );
  return results.every(Boolean) ? 0 : 1;
}
