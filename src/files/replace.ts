import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../core/errors.ts";
import { readText } from "./read.ts";

/** Milliseconds to wait for another process that changes the same file. */
const LOCK_TIMEOUT = 10_000;

/**
 * Replaces the text of a file: the new text is written beside it and moved into its place, by one process at a time, so
 * that a reader gets the old text or the new one and no change is lost. The file has mode 644; a process of root gives it
 * to the owner of the directory.
 * @param change given the present text, undefined when there is no file; returns the new text, or throws to keep the file
 * @throws {ConfigError} when the file can't be written, or another process has its lock for 10 s
 */
export async function replaceFile(path: string, change: (text: string | undefined) => string): Promise<void> {
  const lock = `${path}.lock`;
  await acquire(lock);
  // In the same directory, because a rename is atomic only within one file system. The lock makes one name enough.
  const next = `${path}.next`;
  try {
    const text = change(await readText(path));
    await writeNew(next, text);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw isFileError(error) ? new ConfigError(`${path}: can't be written (${error.code})`) : error;
  } finally {
    await rm(lock, { force: true });
  }
}

/** Creates the lock file, which exists while a process changes the file. */
async function acquire(lock: string): Promise<void> {
  const end = performance.now() + LOCK_TIMEOUT;
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      return;
    } catch (error) {
      if (!isFileError(error)) throw error;
      if (error.code !== "EEXIST") throw new ConfigError(`${lock}: can't be created (${error.code})`);
    }
    if (performance.now() > end) {
      // The process that created it may run in another container, where it can't be looked up.
      throw new ConfigError(
        `${lock}: another command is changing the file; if none is running, remove the lock`,
      );
    }
    await sleep(5 + Math.random() * 20);
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(text);
    // Whatever the umask: the service may run as another user.
    await file.chmod(0o644);
    if (process.getuid?.() === 0) {
      // Root in a container, on a checkout that belongs to another user. If the system does not allow it, the file can
      // still be read. On the open file, because its name may have been replaced by a link meanwhile.
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
