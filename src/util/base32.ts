/** RFC 4648 base32, upper case, without padding: the alphabet of nkeys and of JWT ids. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const VALUES = new Uint8Array(128).fill(255);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** The two letters for each value of ten bits. */
const PAIRS = Array.from({ length: 1024 }, (_, bits) => `${ALPHABET[bits >> 5]}${ALPHABET[bits & 31]}`);

export function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let buffer = 0;
  // A loop over the index: for…of takes four times as long.
  for (let i = 0; i < bytes.length; i++) {
    buffer = ((buffer << 8) | (bytes[i] ?? 0)) & 0x3ffff;
    bits += 8;
    if (bits >= 10) {
      bits -= 10;
      text += PAIRS[(buffer >> bits) & 1023];
    }
  }
  if (bits > 5) return text + PAIRS[(buffer << (10 - bits)) & 1023];
  return bits > 0 ? text + ALPHABET[(buffer << (5 - bits)) & 31] : text;
}

/** The bytes; undefined for a text that `encodeBase32` would not return, so that each value has one spelling. */
export function decodeBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array((text.length * 5) >> 3);
  let at = 0;
  let bits = 0;
  let buffer = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text.charCodeAt(i)];
    if (value === undefined || value > 31) return undefined;
    buffer = ((buffer << 5) | value) & 0xffff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = buffer >> bits;
    }
  }
  const leftOver = buffer & ((1 << bits) - 1);
  return bits < 5 && leftOver === 0 ? bytes : undefined;
}
