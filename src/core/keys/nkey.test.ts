import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAccount, createUser, fromPublic, fromSeed } from "nkeys.js";
import { InvalidPublicKeyError } from "../errors.ts";
import { accountSigner, createUserKeyPair, verifySignature } from "./ed25519.ts";
import {
  decodePublicKey,
  decodeSeed,
  encodePublicKey,
  encodeSeed,
  Prefix,
  parseUserPublicKey,
} from "./nkey.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("a public key", () => {
  test("is written and read as nkeys.js does", () => {
    for (let i = 0; i < 20; i++) {
      const theirs = createUser().getPublicKey();
      expect(parseUserPublicKey(theirs) as string).toBe(theirs);
      const ours = createUserKeyPair().publicKey;
      expect(fromPublic(ours).getPublicKey()).toBe(ours);
    }
  });

  test("survives being written and read, whatever its bytes", () => {
    fc.assert(
      fc.property(bytes32, (key) => {
        const written = encodePublicKey(Prefix.user, key);
        expect(written).toMatch(/^U[A-D][A-Z2-7]{54}$/);
        expect(decodePublicKey(Prefix.user, written)).toEqual(key);
      }),
    );
  });

  test("is refused with any one character changed", () => {
    const key = createUserKeyPair().publicKey;
    for (let at = 0; at < key.length; at++) {
      for (const char of [...BASE32, "a", "0", "1", "=", " ", "é"]) {
        if (char === key[at]) continue;
        const corrupted = key.slice(0, at) + char + key.slice(at + 1);
        expect(() => parseUserPublicKey(corrupted)).toThrow(InvalidPublicKeyError);
      }
    }
  });

  test("is refused in any other spelling, length, or kind", () => {
    const pair = createUserKeyPair();
    const key = pair.publicKey;
    const others = [
      "",
      key.toLowerCase(),
      `${key} `,
      ` ${key}`,
      `${key}\n`,
      `${key}=`,
      `${key}A`,
      key.slice(0, -1),
      key.slice(1),
      pair.seed,
      createAccount().getPublicKey(),
      "U".repeat(56),
      "A".repeat(56),
      key.replace("U", "\u{FF35}"),
    ];
    for (const other of others) expect(() => parseUserPublicKey(other)).toThrow(InvalidPublicKeyError);
    for (const other of [undefined, null, 56, [key], { length: 56 }]) {
      expect(() => parseUserPublicKey(other)).toThrow(InvalidPublicKeyError);
    }
  });

  test("with a wrong prefix that has the right letter, and a matching checksum, is refused", () => {
    // The letter comes from the top five bits; the other three must be zero.
    for (let low = 1; low < 8; low++) {
      const disguised = encodePublicKey((Prefix.user | low) as Prefix, new Uint8Array(32));
      expect(disguised.startsWith("U")).toBe(true);
      expect(() => parseUserPublicKey(disguised)).toThrow(InvalidPublicKeyError);
    }
  });

  test("is not repeated in the message, since it may be a seed", () => {
    const { seed } = createUserKeyPair();
    const thrown = catchError(() => parseUserPublicKey(seed));
    expect(String(thrown)).not.toContain(seed.slice(0, 8));
  });
});

describe("a seed", () => {
  test("is written and read as nkeys.js does", () => {
    const { seed, publicKey } = createUserKeyPair();
    expect(fromSeed(new TextEncoder().encode(seed)).getPublicKey()).toBe(publicKey);
    const account = createAccount();
    expect(accountSigner(text(account.getSeed()))?.publicKey as string).toBe(account.getPublicKey());
  });

  test("survives being written and read, whatever its bytes", () => {
    fc.assert(
      fc.property(bytes32, (seed) => {
        expect(decodeSeed(Prefix.account, encodeSeed(Prefix.account, seed))).toEqual(seed);
      }),
    );
  });

  test("is refused when its unused last bits are not zero", () => {
    const seed = createUserKeyPair().seed;
    const last = BASE32.indexOf(seed.at(-1) ?? "");
    for (const bits of [1, 2, 3]) {
      expect(decodeSeed(Prefix.user, seed.slice(0, -1) + BASE32[last | bits])).toBeUndefined();
    }
    expect(decodeSeed(Prefix.user, seed)).toBeDefined();
  });

  test("of another kind is refused", () => {
    expect(accountSigner(createUserKeyPair().seed)).toBeUndefined();
    expect(accountSigner(createAccount().getPublicKey())).toBeUndefined();
    expect(accountSigner("")).toBeUndefined();
  });
});

describe("a signature", () => {
  test("is the same as nkeys.js makes, and each verifies the other's", () => {
    const theirs = createAccount();
    const ours = accountSigner(text(theirs.getSeed()));
    const data = new TextEncoder().encode("hello");
    const signature = ours?.sign(data) ?? new Uint8Array();
    expect(new Uint8Array(signature)).toEqual(new Uint8Array(theirs.sign(data)));
    expect(theirs.verify(data, new Uint8Array(signature))).toBe(true);
    expect(verifySignature(Prefix.account, theirs.getPublicKey(), data, signature)).toBe(true);
    expect(verifySignature(Prefix.account, createAccount().getPublicKey(), data, signature)).toBe(false);
    expect(verifySignature(Prefix.user, theirs.getPublicKey(), data, signature)).toBe(false);
  });
});

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
