import { decodeSeed, encodePublicKey, Prefix } from "../core/nkey.ts";
import { UnsupportedError } from "./errors.ts";

/** A user's key pair. The private half stays where it was made. */
export interface UserKey {
  /** `U…` */
  readonly publicKey: string;
  sign(data: Uint8Array): Promise<Uint8Array> | Uint8Array;
}

/** What is needed of an nkeys implementation (`nkeys.js`, `@nats-io/nkeys`) where the browser has no Ed25519. */
export interface Nkeys {
  createUser(): NkeyPair;
  fromSeed(seed: Uint8Array): NkeyPair;
}

interface NkeyPair {
  getPublicKey(): string;
  sign(data: Uint8Array): Uint8Array;
}

// What comes before the 32 bytes of a private key in PKCS #8, RFC 8410 section 7.
const PKCS8 = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const ED25519 = "Ed25519";

/**
 * Makes a key pair: by WebCrypto, so that no script can read the private half; by `nkeys` where that has no Ed25519.
 * @throws {UnsupportedError} with neither
 */
export async function makeUserKey(nkeys?: Nkeys): Promise<UserKey> {
  try {
    const pair = (await crypto.subtle.generateKey(ED25519, false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return { publicKey: encodePublicKey(Prefix.user, raw), sign: signWith(pair.privateKey) };
  } catch (cause) {
    return fromNkeys(cause, nkeys?.createUser());
  }
}

/**
 * Takes a user's seed, for credentials that come with one.
 * @throws {TypeError} when it isn't one
 * @throws {UnsupportedError} as `makeUserKey`
 */
export async function importUserKey(publicKey: string, seed: string, nkeys?: Nkeys): Promise<UserKey> {
  const raw = decodeSeed(Prefix.user, seed);
  if (!raw) throw new TypeError("the credential's seed is not a user's seed");
  try {
    const der = new Uint8Array([...PKCS8, ...raw]);
    const key = await crypto.subtle.importKey("pkcs8", der, ED25519, false, ["sign"]);
    return { publicKey, sign: signWith(key) };
  } catch (cause) {
    return fromNkeys(cause, nkeys?.fromSeed(new TextEncoder().encode(seed)));
  }
}

const signWith = (key: CryptoKey) => async (data: Uint8Array) =>
  new Uint8Array(await crypto.subtle.sign(ED25519, key, data as BufferSource));

function fromNkeys(cause: unknown, pair: NkeyPair | undefined): UserKey {
  if (pair) return { publicKey: pair.getPublicKey(), sign: (data) => pair.sign(data) };
  throw new UnsupportedError(
    "this browser has no Ed25519 here (it wants https or localhost, and Chrome 137, Firefox 129 or Safari 17): hand over an nkeys implementation",
    { cause },
  );
}
