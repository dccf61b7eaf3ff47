import { createHash, randomBytes } from "node:crypto";
import { encodeBase32 } from "../../util/base32.ts";

/**
 * API keys: `mint_<id>_<secret and checksum>`, in lower-case base32. A key is one word, so that a double click selects
 * it. Its fixed start and its checksum let secret scanners find a leaked key and nothing else: they look for
 * `mint_[a-z2-7]{8}_[a-z2-7]{60}`, where the last 8 letters encode the first 5 bytes of the SHA-256 of all before them.
 */

/** What is stored of a key. */
export interface ApiKey {
  readonly id: string;
  readonly description: string;
  /** `sha256:` and the SHA-256 of the whole key, in hex. A key of 256 random bits needs no slower hash. */
  readonly hash: string;
  /** The roles that may be requested with it. */
  readonly roles: readonly string[];
  /** Seconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt?: number | undefined;
}

/** Every key begins with this, and no JWT does. */
export const API_KEY_START = "mint_";
export const API_KEY_ID = /^[a-z2-7]{8}$/;
export const API_KEY_HASH = /^sha256:[0-9a-f]{64}$/;

const KEY = /^(mint_([a-z2-7]{8})_[a-z2-7]{52})([a-z2-7]{8})$/;

/** Makes a new random key. */
export function createApiKey(): { key: string; id: string } {
  const id = base32(randomBytes(5));
  const unchecked = `${API_KEY_START}${id}_${base32(randomBytes(32))}`;
  return { key: unchecked + checksum(unchecked), id };
}

/** The id in a key; undefined when the text is not a complete key. */
export function apiKeyId(key: string): string | undefined {
  const [, unchecked = "", id, end] = KEY.exec(key) ?? [];
  return end === checksum(unchecked) ? id : undefined;
}

// A lookahead matches at each position: a key may begin inside a text that only looks like one.
const KEY_FORM = /(?=(mint_[a-z2-7]{8}_[a-z2-7]{60}))/g;

/** The API keys in a text. Only a correct checksum makes a key, since a name may look like one. */
export const apiKeysIn = (text: string): string[] =>
  [...text.matchAll(KEY_FORM)].map(([, form = ""]) => form).filter((key) => apiKeyId(key) !== undefined);

/** The hash that is stored of a key, in the form of `ApiKey.hash`. */
export function hashApiKey(key: string): string {
  return `sha256:${createHash("sha256").update(key).digest("hex")}`;
}

const checksum = (text: string) => base32(createHash("sha256").update(text).digest().subarray(0, 5));
const base32 = (bytes: Uint8Array) => encodeBase32(bytes).toLowerCase();
