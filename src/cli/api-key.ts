import type { CliConfig } from "../config/cli.ts";
import { formatApiKeys, parseApiKeys } from "../core/api-key/file.ts";
import { type ApiKey, createApiKey, hashApiKey } from "../core/api-key/key.ts";
import { InvalidApiKeysError } from "../core/errors.ts";
import { isRoleName } from "../core/role-name.ts";
import { readText } from "../files/read.ts";
import { replaceFile } from "../files/replace.ts";
import { stripControls } from "../util/quote.ts";
import { aboutFile, loadMint } from "./load.ts";
import { table } from "./table.ts";
import { parseOptions, rejectExtraArgs, UsageError } from "./usage.ts";

/** `api-key add`, `api-key list`, `api-key remove` */
export async function apiKeyCommand([action, ...args]: string[], config: CliConfig): Promise<number> {
  if (action === "add") await add(args, config);
  else if (action === "list") await list(args, config);
  else if (action === "remove") await remove(args, config);
  else throw new UsageError("api-key: expected add, list or remove");
  return 0;
}

/** Prints only the key on standard output, so that `KEY=$(…)` captures it without showing it. */
async function add(args: string[], config: CliConfig): Promise<void> {
  const { values, positionals } = parseOptions(args, {
    roles: { type: "string" },
    description: { type: "string" },
    expires: { type: "string" },
  });
  rejectExtraArgs(positionals);
  const roles = parseRoles(values.roles);
  const createdAt = Math.floor(Date.now() / 1000);
  const expiresAt = values.expires === undefined ? undefined : createdAt + parseDuration(values.expires);
  const { key, id } = createApiKey();
  const entry: ApiKey = {
    id,
    description: values.description ?? "",
    hash: hashApiKey(key),
    roles,
    createdAt,
    expiresAt,
  };
  await replaceFile(config.apiKeysFile, (text) =>
    formatApiKeys([...aboutFile(config.apiKeysFile, () => parseApiKeys(text)), entry]),
  );

  const known = (await loadMint(config))?.roles;
  for (const role of known ? roles.filter((role) => !known.includes(role)) : []) {
    console.error(`warning: the mint has no key for the role ${role}`);
  }
  console.error(`Added ${id}. Only the hash of the key is stored, so the key can't be shown again:`);
  console.log(key);
}

async function list(args: string[], { apiKeysFile }: CliConfig): Promise<void> {
  rejectExtraArgs(parseOptions(args, {}).positionals);
  const text = await readText(apiKeysFile);
  const keys = aboutFile(apiKeysFile, () => parseApiKeys(text));
  if (keys.length === 0) {
    console.error("There are no API keys.");
    return;
  }
  const rows = keys.map(({ id, roles, createdAt, expiresAt, description }) => [
    id,
    roles.join(","),
    day(createdAt),
    expiresAt === undefined
      ? "never"
      : `${day(expiresAt)}${expiresAt <= Date.now() / 1000 ? " expired" : ""}`,
    stripControls(description),
  ]);
  console.log(table([["ID", "ROLES", "CREATED", "EXPIRES", "DESCRIPTION"], ...rows]));
}

async function remove(args: string[], { apiKeysFile }: CliConfig): Promise<void> {
  const [id = "", ...more] = parseOptions(args, {}).positionals;
  if (!id) throw new UsageError("api-key remove: the id is missing; api-key list shows the ids");
  rejectExtraArgs(more);
  await replaceFile(apiKeysFile, (text) => {
    const keys = aboutFile(apiKeysFile, () => parseApiKeys(text));
    const remaining = keys.filter((key) => key.id !== id);
    // The argument is not quoted, because it may be a key instead of an id.
    if (remaining.length === keys.length) {
      throw new InvalidApiKeysError("there is no API key with that id; api-key list shows the ids");
    }
    return formatApiKeys(remaining);
  });
  console.error(`Removed ${id}. Credentials that were issued with it stay valid until they expire.`);
}

function parseRoles(text = ""): string[] {
  const roles = [...new Set(text.split(",").map((role) => role.trim()))].filter(Boolean);
  if (roles.length === 0)
    throw new UsageError("--roles: expected the roles that the key may request, --roles browser,room");
  if (!roles.every(isRoleName))
    throw new UsageError(`--roles: got ${JSON.stringify(text)}, expected role names separated by commas`);
  return roles;
}

const UNITS = { m: 60, h: 3600, d: 86_400 };

/** A duration in seconds. */
function parseDuration(text: string): number {
  const [, number, unit] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  if (!number) {
    throw new UsageError(`--expires: got ${JSON.stringify(text)}, expected a duration, 90d, 12h or 30m`);
  }
  return Number(number) * UNITS[unit as keyof typeof UNITS];
}

const day = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10);
