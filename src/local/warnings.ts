import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readEnvFiles } from "../config/env.ts";
import type { LocalConfig } from "../config/local.ts";
import { findUnknownVariables } from "../config/unknown-variables.ts";
import { quote } from "../util/quote.ts";

/** Settings and files that have no effect although they look as if they had one: one sentence for each. */
export const findWarnings = ({ projectDir }: Pick<LocalConfig, "projectDir">): string[] => [
  ...findUnknownVariables(readEnvFiles(), process.env),
  ...["fs/nats-init/roles", "fs/nats-init/roles.local"].flatMap((dir) =>
    findIgnoredFiles(projectDir, dir, "role"),
  ),
  ...["fs/nats-push/streams", "fs/nats-push/streams.local"].flatMap((dir) =>
    findIgnoredFiles(projectDir, dir, "stream"),
  ),
];

/** Files that editors and systems make. */
const OF_OTHERS = /^\.(git|DS_Store)|^\..*\.sw.$|~$|^README/i;

/** The scripts read `*.json` of these directories, in lower case and without a dot at the start. */
function findIgnoredFiles(projectDir: string, dir: string, kind: "role" | "stream"): string[] {
  const path = join(projectDir, dir);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => !/^[^.].*\.json$/.test(name) && !OF_OTHERS.test(name))
    .sort()
    .map((name) => {
      const file = quote(`${dir}/${name}`).slice(1, -1);
      return `${file} is ignored: the name of a ${kind} file ends in .json. Rename or remove it.`;
    });
}
