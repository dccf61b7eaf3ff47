import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ConfigError } from "../core/errors.ts";
import { readText } from "./read.ts";

const PATIENCE = 10_000;

/**
 * Changes a file as a whole: written aside and moved into place, by one process at a time, so that readers see the old
 * text or the new one and no change is lost. Everybody may read the file, and written by root it belongs to the
 * directory's owner.
 * @param change given the present text, undefined when there is none; returns the new one, or throws to leave it
 * @throws {ConfigError} when it can't be written, or another process holds it for 10 s
 */
export async function replaceFile(path: string, change: (text: string | undefined) => string): Promise<void> {
  const lock = `${path}.lock`;
  await acquire(lock);
  // In the same directory, so that the move is one step; by one process at a time, so that one name is enough.
  const aside = `${path}.next`;
  try {
    const text = change(await readText(path));
    await writeAside(aside, text);
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw isFileError(error) ? new ConfigError(`${path}: can't be written (${error.code})`) : error;
  } finally {
    await rm(lock, { force: true });
  }
}

/** Makes the lock file, which exists while somebody changes the file. */
async function acquire(lock: string): Promise<void> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      return;
    } catch (error) {
      if (!isFileError(error)) throw error;
      if (error.code !== "EEXIST") throw new ConfigError(`${lock}: can't be made (${error.code})`);
    }
    if (performance.now() > end) {
      // Whether its maker still runs can't be told from another container.
      throw new ConfigError(`${lock}: another command holds it; if there is none, remove it`);
    }
    await pause(5 + Math.random() * 20);
  }
}

async function writeAside(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(text);
    // Whatever the umask: the service may run as somebody else.
    await file.chmod(0o644);
    if (process.getuid?.() === 0) {
      // Root in a container, writing into a checkout of another user. Where it may not, the file is still good to read.
      // By the open file, since its name may have been made a link in between.
      const { uid, gid } = await stat(dirname(path));
      await file.chown(uid, gid).catch(() => {});
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException & { code: string } =>
  error instanceof Error && "syscall" in error && "code" in error;
