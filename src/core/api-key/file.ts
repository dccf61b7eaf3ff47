import { z } from "zod";
import { InvalidApiKeysError } from "../errors.ts";
import { parseJsonFile, parseShape } from "../json-file.ts";
import { isRoleName, ROLE_NAME_RULE } from "../role-name.ts";
import { API_KEY_HASH, API_KEY_ID, type ApiKey } from "./key.ts";

/** The shape of `api-keys.json`: a list with one entry for each key. Times are RFC 3339, in UTC. */

const time = z.iso
  .datetime("must be a time in UTC, such as 2027-01-31T00:00:00Z")
  .transform((text) => Math.floor(Date.parse(text) / 1000));
const role = z.string().refine(isRoleName, `must be ${ROLE_NAME_RULE}`);

const entry = z.strictObject({
  id: z.string().regex(API_KEY_ID, "must be a key's id"),
  description: z.string(),
  hash: z.string().regex(API_KEY_HASH, "must be sha256: and 64 hexadecimal digits"),
  roles: z.array(role).min(1, "must not be empty"),
  created_at: time,
  expires_at: time.optional(),
});

const file = z
  .array(entry)
  .refine(
    (all) => new Set(all.map(({ id }) => id)).size === all.length,
    "must not have two keys with the same id",
  );

/**
 * The keys in the text of `api-keys.json`.
 * @param text undefined when there is no such file, which means no keys
 * @throws {InvalidApiKeysError} with one line for each mistake, none of which contains a hash
 */
export function parseApiKeys(text: string | undefined): readonly ApiKey[] {
  if (text === undefined) return [];
  const json = parseJsonFile(text, "the file of API keys", InvalidApiKeysError);
  return parseShape(file, json, InvalidApiKeysError).map(({ created_at, expires_at, ...key }) => ({
    ...key,
    createdAt: created_at,
    ...(expires_at !== undefined && { expiresAt: expires_at }),
  }));
}

/** The text of `api-keys.json` for these keys. */
export function formatApiKeys(keys: readonly ApiKey[]): string {
  const entries = keys.map(({ id, description, hash, roles, createdAt, expiresAt }) => ({
    id,
    description,
    hash,
    roles,
    created_at: iso(createdAt),
    ...(expiresAt !== undefined && { expires_at: iso(expiresAt) }),
  }));
  return `${JSON.stringify(entries, null, 2)}\n`;
}

/** Seconds since the epoch as RFC 3339. */
const iso = (seconds: number) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
