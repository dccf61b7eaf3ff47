import { readFile, readlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { InvalidKeysError, KeysUnavailableError } from "../core/errors.ts";
import type { MintOptions } from "../core/mint.ts";
import { ROLE_NAME } from "../core/role-name.ts";
import { quote } from "../util/quote.ts";
import { JsonError, parseJson } from "../util/strict-json.ts";

/**
 * The keys that `nats-export` wrote: `current` is a symbolic link to the directory of one version, which contains
 * `account.jwt`, `roles.json` and one `<role>.nk` per role.
 */
export interface ExportedKeys {
  /** Path of the version's directory. */
  readonly version: string;
  readonly mint: Pick<MintOptions, "accountJwt" | "roles">;
}

// The name of a role is also the name of its key file.
const rolesFile = z.record(z.string().regex(ROLE_NAME), z.object({ ttl: z.number() }));

/**
 * Reads the current version, all of it from one directory, so that a switch in between can't mix two versions.
 * @param directory the one with `current`
 * @throws {KeysUnavailableError} when nothing has been exported yet
 * @throws {InvalidKeysError} when a file is missing, unreadable or of the wrong shape; names the file and quotes nothing of it
 */
export async function readKeys(directory: string): Promise<ExportedKeys> {
  const version = await currentVersion(directory);
  try {
    return await readVersion(version);
  } catch (error) {
    // The exporter may have switched to another version and removed this one meanwhile: then that one is read.
    if ((await currentVersion(directory)) === version) throw error;
    return readKeys(directory);
  }
}

/** The path of the current version's directory. Throws as `readKeys` does. */
export async function currentVersion(directory: string): Promise<string> {
  try {
    // Only the link is read. `realpath` would also look up the version, which may have been removed by then.
    return resolve(directory, await readlink(join(directory, "current")));
  } catch (error) {
    if (codeOf(error) === "ENOENT") throw new KeysUnavailableError(resolve(directory, "current"));
    throw new InvalidKeysError(`current: can't be read as a symbolic link (${codeOf(error)})`);
  }
}

async function readVersion(path: string): Promise<ExportedKeys> {
  const accountJwt = await readText(path, "account.jwt");
  const lifetimes = parseRoles(await readText(path, "roles.json"));
  const roles = await Promise.all(
    Object.entries(lifetimes).map(
      async ([name, { ttl }]) => [name, { ttl, seed: await readText(path, `${name}.nk`) }] as const,
    ),
  );
  return { version: path, mint: { accountJwt, roles: Object.fromEntries(roles) } };
}

async function readText(directory: string, name: string): Promise<string> {
  try {
    return (await readFile(join(directory, name), "utf8")).trim();
  } catch (error) {
    throw new InvalidKeysError(`${name}: can't be read (${codeOf(error)})`);
  }
}

function parseRoles(text: string): z.infer<typeof rolesFile> {
  try {
    return rolesFile.parse(parseJson(text));
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidKeysError(`roles.json: ${error.message}`);
    const where = error instanceof z.ZodError ? error.issues[0]?.path.map(String).join(".") : undefined;
    const at = where ? `: see ${quote(where)}` : "";
    throw new InvalidKeysError(`roles.json: must be {"<role>": {"ttl": <seconds>}}${at}`);
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown error";
