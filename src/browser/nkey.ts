/**
 * The text form of user keys, for a page: base32 of prefix, key and CRC16 (`strkey.go` of github.com/nats-io/nkeys). The
 * mint's own is core/keys/nkey.ts, which is fast and strict; this one is small.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const USER = 20 << 3;

const inBits = (values: readonly number[], width: number) =>
  values.map((value) => value.toString(2).padStart(width, "0")).join("");

const inParts = (bits: string, width: number) =>
  (bits.match(new RegExp(`.{${width}}`, "g")) ?? []).map((part) => parseInt(part, 2));

/** Writes the 32 bytes of a user's public key. */
export function encodeUserPublicKey(key: Uint8Array): string {
  const bytes = [USER, ...key];
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  // 35 bytes: 280 bits, 56 characters.
  return inParts(inBits([...bytes, crc & 0xff, crc >> 8], 8), 5)
    .map((value) => ALPHABET[value])
    .join("");
}

/** The 32 bytes between the prefix and the checksum of a seed. What isn't one gives something that no server accepts. */
export function decodeSeed(seed: string): Uint8Array {
  const values = [...seed].map((character) => ALPHABET.indexOf(character));
  return new Uint8Array(inParts(inBits(values, 5), 8)).subarray(2, 34);
}
