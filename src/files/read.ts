import { readFile } from "node:fs/promises";
import { ConfigError, MintError } from "../core/errors.ts";

/**
 * The text of a file; undefined when there is no such file.
 * @throws {ConfigError} with the path, when the file can't be read or is not UTF-8
 */
export async function readText(path: string): Promise<string | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    // Docker creates a directory when the file of a bind mount does not exist.
    const why = code === "EISDIR" ? "is a directory" : `can't be read (${code ?? "unknown error"})`;
    throw new ConfigError(`${path}: ${why}`);
  }
  try {
    // Removes the byte order mark that some editors write.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(`${path}: is not UTF-8`);
  }
}

/** An error about a file's content, with the path in each line. An error about reading the file has it already. */
export function withPath(path: string, error: Error): Error {
  const isAboutContent = error instanceof MintError && !(error instanceof ConfigError);
  return isAboutContent ? new ConfigError(error.message.replace(/^/gm, `${path}: `)) : error;
}
