import { CredentialError } from "../errors.ts";
import { decodeSeed, encodeUserPublicKey } from "./nkey.ts";

/** A user's key pair. The private key cannot be read from it. */
export interface UserKey {
  /** `U…`, 56 characters. */
  readonly publicKey: string;
  /** An Ed25519 signature, 64 bytes. */
  sign(data: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/** The part of `nkeys.js` or `@nats-io/nkeys` that is used where the browser has no Ed25519. */
export interface Nkeys {
  createUser(): NkeyPair;
}

interface NkeyPair {
  getPublicKey(): string;
  sign(data: Uint8Array): Uint8Array;
}

/**
 * Makes a key pair with WebCrypto, whose private key no script can read. Where WebCrypto or its Ed25519 is missing,
 * `nkeys` makes it.
 * @param given  a seed (`SU…`) and its public key (`U…`): imports this key pair instead of making one
 * @throws {CredentialError} `unsupported` if WebCrypto has no Ed25519 and there is no `nkeys`
 */
export async function makeUserKey(
  nkeys: Nkeys | undefined,
  given?: { publicKey: string; seed: string },
): Promise<UserKey> {
  const ED25519 = "Ed25519";
  try {
    const { subtle } = crypto;
    let publicKey = given?.publicKey as string;
    let privateKey: CryptoKey;
    if (given) {
      // What precedes the 32 bytes of an Ed25519 private key in PKCS #8: RFC 8410, section 7.
      const head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
      const der = new Uint8Array([...head, ...decodeSeed(given.seed)]);
      privateKey = await subtle.importKey("pkcs8", der, ED25519, false, ["sign"]);
    } else {
      const pair = (await subtle.generateKey(ED25519, false, ["sign"])) as CryptoKeyPair;
      publicKey = encodeUserPublicKey(new Uint8Array(await subtle.exportKey("raw", pair.publicKey)));
      privateKey = pair.privateKey;
    }
    return {
      publicKey,
      sign: async (data) =>
        new Uint8Array(await subtle.sign(ED25519, privateKey, data as Uint8Array<ArrayBuffer>)),
    };
  } catch (cause) {
    const pair = !given && nkeys?.createUser();
    if (pair) return { publicKey: pair.getPublicKey(), sign: (data) => pair.sign(data) };
    throw new CredentialError("unsupported", "no Ed25519 here: pass `nkeys`", { cause });
  }
}
