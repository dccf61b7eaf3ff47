import { lstatSync, mkdirSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { LaunchError } from "./launch-error.ts";

/**
 * Makes DATA_DIR if it is missing. It holds private keys and files that are executed or trusted, so it must belong to
 * this process's user alone, with all that stands directly in it.
 * @throws {LaunchError} when it can't be made, belongs to another user, or is open to others
 */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    checkOwnership(dataDir);
    mkdirSync(join(dataDir, "run"), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    throw new LaunchError(
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
    throw new LaunchError(
      `DATA_DIR ${dataDir} ${ofAll}. It holds private keys: choose another directory, or make this one yours alone with chown and chmod 700.`,
    );
  }
  checkAncestors(dataDir, user);
  for (const name of readdirSync(dataDir)) {
    const ofOne = problem(join(dataDir, name), 0o022);
    if (ofOne) {
      throw new LaunchError(
        `${join(dataDir, name)} ${ofOne}. What stands in DATA_DIR is trusted: remove it, or make it yours alone.`,
      );
    }
  }
}

/**
 * A user who can write to a directory above can put another one in the place of DATA_DIR. Others may write to one that is
 * sticky, such as /tmp, and the group to one of a group of the same number as its user: many systems give each user such
 * a group, and files that it may write.
 */
function checkAncestors(dataDir: string, user: number): void {
  for (const path of new Set([...ancestors(dataDir), ...ancestors(realpathSync(dataDir))])) {
    const { uid, gid, mode } = statSync(path);
    const byOthers = (mode & 0o1000) === 0 && ((mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== uid));
    if ((uid === user || uid === 0) && !byOthers) continue;
    throw new LaunchError(
      `DATA_DIR ${dataDir} is below ${path}, where another user can replace it (owner ${uid}, group ${gid}, mode ${(mode & 0o7777).toString(8)}). It holds private keys: choose another directory.`,
    );
  }
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestors(parent)];
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
