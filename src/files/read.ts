import { readFile } from "node:fs/promises";
import { ConfigError } from "../core/errors.ts";

/**
 * The text of a file; undefined when there is no such file.
 * @throws {ConfigError} when it is there and can't be read, or is not UTF-8
 */
export async function readText(path: string): Promise<string | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    // Docker makes a directory where the file of a bind mount is missing.
    const why = code === "EISDIR" ? "is a directory" : `can't be read (${code ?? "unknown error"})`;
    throw new ConfigError(`${path}: ${why}`);
  }
  try {
    // Takes off the mark that some editors begin a file with.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(`${path}: is not UTF-8`);
  }
}
