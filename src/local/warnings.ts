import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { projectDir, readOptionalEnvFiles } from "../config/env.ts";
import { findUnknownVariables } from "../config/unknown-variables.ts";
import { quote } from "../util/quote.ts";

/** Settings and files that have no effect although they look as if they had one: one sentence for each. */
export const findWarnings = (): string[] => [
  ...findUnknownVariables(readOptionalEnvFiles(), process.env),
  ...findIgnoredRoleFiles(),
  ...["streams", "streams.local"].flatMap((name) => findIgnoredFiles(`fs/nats-push/${name}`, "stream")),
];

/** Those that are beside the role files. */
export const findIgnoredRoleFiles = (): string[] =>
  ["roles", "roles.local"].flatMap((name) => findIgnoredFiles(`fs/nats-init/${name}`, "role"));

/** Files that editors and systems make. */
const OF_OTHERS = /^\.(git|DS_Store)|^\..*\.sw.$|~$|^README/i;

/** The scripts read `*.json` of these directories, in lower case and without a dot at the start. */
function findIgnoredFiles(dir: string, kind: "role" | "stream"): string[] {
  if (!existsSync(join(projectDir, dir))) return [];
  return readdirSync(join(projectDir, dir))
    .filter((name) => !/^[^.].*\.json$/.test(name) && !OF_OTHERS.test(name))
    .sort()
    .map((name) => {
      const file = quote(`${dir}/${name}`).slice(1, -1);
      return `${file} is ignored: the name of a ${kind} file ends in .json. Rename or remove it.`;
    });
}
