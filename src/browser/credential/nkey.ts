/**
 * The text form of user keys: base32 of prefix, key and CRC16. Source: `strkey.go` of github.com/nats-io/nkeys. The mint
 * uses src/core/keys/nkey.ts instead, which is faster and rejects malformed input; this one is small.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** `PrefixByteUser` of strkey.go: makes the text start with `U`. */
const USER = 20 << 3;

/** Reads numbers of `from` bits each as one row of bits, and cuts it into numbers of `to` bits; an incomplete one is dropped. */
function regroup(values: Iterable<number>, from: number, to: number): number[] {
  const groups: number[] = [];
  let pending = 0;
  let count = 0;
  for (const value of values) {
    pending = (pending << from) | value;
    count += from;
    while (count >= to) {
      count -= to;
      groups.push((pending >> count) & ((1 << to) - 1));
    }
  }
  return groups;
}

/** Encodes the 32 bytes of a user's public key as `U…`, 56 characters. */
export function encodeUserPublicKey(key: Uint8Array): string {
  const bytes = [USER, ...key];
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  // 35 bytes are 280 bits, which are 56 characters.
  return regroup([...bytes, crc & 0xff, crc >> 8], 8, 5)
    .map((value) => ALPHABET[value])
    .join("");
}

/**
 * Decodes a seed (`SU…`) to its 32 bytes, without the prefix and the checksum. The checksum is not verified: a malformed
 * seed gives bytes that WebCrypto or the server rejects.
 */
export function decodeSeed(seed: string): number[] {
  const values = [...seed].map((character) => ALPHABET.indexOf(character));
  return regroup(values, 5, 8).slice(2, 34);
}
