import { createPublicKey } from "node:crypto";
import { type CryptoKey, createLocalJWKSet, errors, type JWK, type JWSHeaderParameters } from "jose";
import { UnauthorizedError } from "../../core/errors.ts";

/** An issuer's public keys as a JWK Set (RFC 7517), and the key among them that a token's header names. */

/** One issuer's keys as they were fetched. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** RSA keys with fewer bits are not used (RFC 7518, section 3.3). */
export const MIN_RSA_BITS = 2048;

/** The usable keys of a JWK Set. */
export interface ParsedKeySet {
  readonly set: KeySet;
  /** The same text for the same keys. */
  readonly text: string;
  /** The number of RSA keys that were left out because they are shorter than `MIN_RSA_BITS`. */
  readonly weak: number;
}

/**
 * Reads a JWK Set, and leaves out keys that are not public signature keys.
 * @throws {Error} when it is not a JWK Set or has no usable key
 */
export function parseKeySet(json: unknown): ParsedKeySet {
  const { keys, weak } = usableKeys(json);
  if (keys.length === 0) throw new Error("its key set has no key that can be used");
  return { set: createLocalJWKSet({ keys }), text: JSON.stringify(keys), weak };
}

/**
 * The key that a token's header names; undefined when the set has none.
 * @throws {UnauthorizedError} `unknown_key` when several match, or the one that matches can't be used
 */
export async function lookUp(set: KeySet, header: JWSHeaderParameters): Promise<CryptoKey | undefined> {
  try {
    return await set(header, { payload: "", signature: "" });
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined;
    // OpenID Connect Core, section 10.1: with several keys, a token must name its own. To try all keys would multiply
    // the cost of each forged token.
    throw unknownKey();
  }
}

/** The error for a token whose key is not among its issuer's keys. */
export const unknownKey = () =>
  new UnauthorizedError("the token is signed with a key that its issuer does not have", "unknown_key");

/** The public signature keys of a JWK Set. `weak` counts the RSA keys that are too short. */
function usableKeys(json: unknown): { keys: JWK[]; weak: number } {
  const listed = (json as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(listed)) throw new Error("its key set is not a JWK Set");
  const keys: JWK[] = [];
  let weak = 0;
  for (const jwk of listed) {
    const bits = publicKeyBits(jwk);
    if (bits === undefined) continue;
    if (bits < MIN_RSA_BITS) weak++;
    else keys.push(jwk);
  }
  return { keys, weak };
}

/** The size of an RSA key, infinite for the curves of signature keys; undefined for all but public signature keys. */
function publicKeyBits(jwk: JWK | null): number | undefined {
  try {
    // A published private key can't prove anything.
    if (jwk?.d !== undefined || (jwk?.use !== undefined && jwk.use !== "sig")) return undefined;
    const key = createPublicKey({ key: jwk as Record<string, unknown>, format: "jwk" });
    if (key.asymmetricKeyType === "rsa") return key.asymmetricKeyDetails?.modulusLength ?? 0;
    return ["ec", "ed25519"].includes(key.asymmetricKeyType ?? "") ? Number.POSITIVE_INFINITY : undefined;
  } catch {
    return undefined;
  }
}
