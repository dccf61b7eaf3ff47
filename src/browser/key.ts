import { SessionError } from "./errors.ts";
import { decodeSeed, encodeUserPublicKey } from "./nkey.ts";

/** A user's key pair. The private half stays where it was made. */
export interface UserKey {
  /** `U…` */
  readonly publicKey: string;
  sign(data: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/** What is needed of an nkeys implementation (`nkeys.js`, `@nats-io/nkeys`) where the browser has no Ed25519. */
export interface Nkeys {
  createUser(): NkeyPair;
}

interface NkeyPair {
  getPublicKey(): string;
  sign(data: Uint8Array): Uint8Array;
}

// What comes before the 32 bytes of a private key in PKCS #8, RFC 8410 section 7.
const PKCS8 = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const ED25519 = "Ed25519";

/**
 * Makes a key pair, by WebCrypto, so that no script can read the private half; by `nkeys` where that has no Ed25519.
 * @param given  the seed to take it from, of credentials that come with one, and its public key
 * @throws {SessionError} `unsupported`, with neither
 */
export async function makeUserKey(
  nkeys: Nkeys | undefined,
  given?: { publicKey: string; seed: string },
): Promise<UserKey> {
  try {
    const { subtle } = crypto;
    let { publicKey = "" } = given ?? {};
    let privateKey: CryptoKey;
    if (given) {
      const der = new Uint8Array([...PKCS8, ...decodeSeed(given.seed)]);
      privateKey = await subtle.importKey("pkcs8", der, ED25519, false, ["sign"]);
    } else {
      const pair = (await subtle.generateKey(ED25519, false, ["sign"])) as CryptoKeyPair;
      publicKey = encodeUserPublicKey(new Uint8Array(await subtle.exportKey("raw", pair.publicKey)));
      privateKey = pair.privateKey;
    }
    return {
      publicKey,
      sign: async (data) => new Uint8Array(await subtle.sign(ED25519, privateKey, data as BufferSource)),
    };
  } catch (cause) {
    const pair = !given && nkeys?.createUser();
    if (pair) return { publicKey: pair.getPublicKey(), sign: (data) => pair.sign(data) };
    throw new SessionError("unsupported", "no Ed25519 on this page: pass `nkeys`", {
      cause,
    });
  }
}
