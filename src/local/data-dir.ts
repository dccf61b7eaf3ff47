import { lstatSync, mkdirSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { LaunchError } from "./launch-error.ts";

/**
 * Creates DATA_DIR if it is missing. It holds private keys and files that are executed or trusted, so it and its entries
 * must belong to this process's user, with no access for other users.
 * @throws {LaunchError} when it can't be created, belongs to another user, or is open to others
 */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    checkAccess(dataDir);
    mkdirSync(join(dataDir, "run"), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof LaunchError) throw error;
    throw new LaunchError(
      `DATA_DIR ${dataDir} can't be used: ${(error as Error).message}. Choose another directory.`,
    );
  }
}

function checkAccess(dataDir: string): void {
  const user = process.getuid?.();
  // Systems without user ids.
  if (user === undefined) return;
  checkDirectory(dataDir, user);
  checkAncestors(dataDir, user);
  for (const name of readdirSync(dataDir)) checkEntry(join(dataDir, name), user);
}

function checkDirectory(dataDir: string, user: number): void {
  const problem = findProblem(dataDir, user, 0o077);
  if (!problem) return;
  throw new LaunchError(
    `DATA_DIR ${dataDir} ${problem}. It holds private keys: choose another directory, or restrict this one to your user with chown and chmod 700.`,
  );
}

function checkEntry(path: string, user: number): void {
  const problem = findProblem(path, user, 0o022);
  if (!problem) return;
  throw new LaunchError(
    `${path} ${problem}. The contents of DATA_DIR are trusted: remove it, or restrict it to your user with chown and chmod go-w.`,
  );
}

/**
 * A user who can write to a directory above DATA_DIR can replace DATA_DIR. Two kinds of writable directories are
 * accepted: sticky ones, such as /tmp, and those writable by a group with the same number as their owner, because many
 * systems give each user a group of their own and make directories writable by it.
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

/**
 * What is wrong with the owner or the mode of a path, or of the target of a link there: another user may have created
 * either.
 * @param forbidden the mode's bits that must not be set
 */
function findProblem(path: string, user: number, forbidden: number): string | undefined {
  const target = statSync(path, { throwIfNoEntry: false });
  return describeProblem(lstatSync(path), user, forbidden) ?? describeProblem(target, user, forbidden);
}

function describeProblem(stats: Stats | undefined, user: number, forbidden: number): string | undefined {
  if (!stats) return undefined;
  if (stats.uid !== user) return `belongs to another user (${stats.uid}, and this is ${user})`;
  if (!stats.isSymbolicLink() && (stats.mode & forbidden) !== 0) {
    return `is open to others (mode ${(stats.mode & 0o777).toString(8)})`;
  }
  return undefined;
}
