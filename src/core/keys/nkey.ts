import { decodeBase32, encodeBase32 } from "../../util/base32.ts";
import type { Brand } from "../../util/brand.ts";
import { InvalidPublicKeyError } from "../errors.ts";

/**
 * The text form of NATS keys: base32 of prefix, 32 bytes, and a CRC16 (little endian). A seed has a two-byte prefix.
 * Rules from `strkey.go` of github.com/nats-io/nkeys.
 */

/** `U…`: the key that a client proves to own when it connects. */
export type UserPublicKey = Brand<string, "UserPublicKey">;
/** `A…`: an account's identity, or one of its signing keys. */
export type AccountPublicKey = Brand<string, "AccountPublicKey">;

/** First byte of a public key; its top five bits are the first letter. */
export const Prefix = { account: 0, operator: 14 << 3, user: 20 << 3 } as const;
export type Prefix = (typeof Prefix)[keyof typeof Prefix];

const SEED = 18 << 3;
const KEY_BYTES = 32;

const CRC16_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

function crc16(bytes: Uint8Array, length: number): number {
  let crc = 0;
  for (let i = 0; i < length; i++) {
    crc = ((crc << 8) & 0xffff) ^ (CRC16_TABLE[(crc >> 8) ^ (bytes[i] ?? 0)] ?? 0);
  }
  return crc;
}

function encode(prefix: readonly number[], key: Uint8Array): string {
  const bytes = new Uint8Array(prefix.length + KEY_BYTES + 2);
  bytes.set(prefix);
  bytes.set(key, prefix.length);
  const crc = crc16(bytes, bytes.length - 2);
  bytes[bytes.length - 2] = crc & 0xff;
  bytes[bytes.length - 1] = crc >> 8;
  return encodeBase32(bytes);
}

function decode(prefix: readonly number[], text: string): Uint8Array | undefined {
  const size = prefix.length + KEY_BYTES + 2;
  if (text.length !== Math.ceil((size * 8) / 5)) return undefined;
  const bytes = decodeBase32(text);
  if (bytes === undefined || prefix.some((byte, i) => bytes[i] !== byte)) return undefined;
  const crc = (bytes[size - 2] ?? 0) | ((bytes[size - 1] ?? 0) << 8);
  return crc16(bytes, size - 2) === crc ? bytes.subarray(prefix.length, -2) : undefined;
}

/** The kind of key, spread over two bytes so that base32 shows `S` and then the kind's letter. */
const seedPrefix = (prefix: Prefix): number[] => [SEED | (prefix >> 5), (prefix & 31) << 3];

/** Encodes 32 bytes as a public key of this kind. */
export const encodePublicKey = (prefix: Prefix, key: Uint8Array): string => encode([prefix], key);

/** The 32 bytes of a public key of this kind; undefined for anything else, another spelling of a key included. */
export const decodePublicKey = (prefix: Prefix, text: string): Uint8Array | undefined =>
  decode([prefix], text);

/** Encodes a 32-byte Ed25519 seed as a seed of this kind. */
export const encodeSeed = (prefix: Prefix, seed: Uint8Array): string => encode(seedPrefix(prefix), seed);

/** The 32 bytes of a seed of this kind; undefined for anything else. */
export const decodeSeed = (prefix: Prefix, text: string): Uint8Array | undefined =>
  decode(seedPrefix(prefix), text);

const SEED_LENGTH = 58;
const SEED_FORM = /(?=(S[A-Z2-7]{57}))/g;

/** The seeds in a text, of any kind of key. Only a correct checksum makes a seed, since a name may look like one. */
export function seedsIn(text: string): string[] {
  if (text.length < SEED_LENGTH) return [];
  return [...text.matchAll(SEED_FORM)].flatMap(([, form = ""]) => (isSeed(form) ? [form] : []));
}

function isSeed(text: string): boolean {
  const [first = 0, second = 0] = decodeBase32(text) ?? [];
  return decode([first, second], text) !== undefined;
}

/**
 * Checks a client's public key.
 * @throws {InvalidPublicKeyError} for a wrong length, alphabet, prefix, checksum or spelling. The message does not
 * repeat the value, since it may be a seed
 */
export function parseUserPublicKey(value: unknown): UserPublicKey {
  if (typeof value === "string" && decodePublicKey(Prefix.user, value)) return value as UserPublicKey;
  throw new InvalidPublicKeyError(
    "not a user's public nkey, which has 56 characters of base32, starts with U and ends with a checksum",
  );
}

/** The value, if it is an account's public key; undefined for anything else. */
export function asAccountPublicKey(value: unknown): AccountPublicKey | undefined {
  if (typeof value !== "string" || !decodePublicKey(Prefix.account, value)) return undefined;
  return value as AccountPublicKey;
}
