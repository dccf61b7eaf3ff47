import { lstatSync, mkdirSync, readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { Trouble } from "./say.ts";

/**
 * Makes DATA_DIR if it is missing. It holds private keys and files that are executed or trusted, so it must belong to
 * this process's user alone, with all that stands directly in it.
 * @throws {Trouble} when it can't be made, belongs to another user, or is open to others
 */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    checkOwnership(dataDir);
    mkdirSync(join(dataDir, "run"), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(
      `DATA_DIR ${dataDir} can't be used: ${(error as Error).message}. Choose another directory.`,
    );
  }
}

function checkOwnership(dataDir: string): void {
  const user = process.getuid?.();
  if (user === undefined) return;
  // Both the entry and what it links to: a link may be made by another user, and so may its target.
  const problem = (path: string, open: number) =>
    [lstatSync(path), statSync(path, { throwIfNoEntry: false })]
      .map((stats) => describe(stats, user, open))
      .find(Boolean);

  const ofAll = problem(dataDir, 0o077);
  if (ofAll) {
    throw new Trouble(
      `DATA_DIR ${dataDir} ${ofAll}. It holds private keys: choose another directory, or make this one yours alone with chown and chmod 700.`,
    );
  }
  for (const name of readdirSync(dataDir)) {
    const ofOne = problem(join(dataDir, name), 0o022);
    if (ofOne) {
      throw new Trouble(
        `${join(dataDir, name)} ${ofOne}. What stands in DATA_DIR is trusted: remove it, or make it yours alone.`,
      );
    }
  }
}

/** What is wrong with an entry's owner or mode; `open` has the mode's bits that others must not have. */
function describe(stats: Stats | undefined, user: number, open: number): string | undefined {
  if (!stats) return undefined;
  if (stats.uid !== user) return `belongs to another user (${stats.uid}, and this is ${user})`;
  if (!stats.isSymbolicLink() && (stats.mode & open) !== 0) {
    return `is open to others (mode ${(stats.mode & 0o777).toString(8)})`;
  }
  return undefined;
}
