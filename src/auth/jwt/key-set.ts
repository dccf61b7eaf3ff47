import { createPublicKey } from "node:crypto";
import { type CryptoKey, importJWK, type JWK } from "jose";
import { UnauthorizedError } from "../../core/errors.ts";
import { TENANT } from "../../core/policy/issuer.ts";
import { IssuerFaultError } from "./issuer-fault.ts";
import { show } from "./show.ts";

/** An issuer's public keys as a JWK Set (RFC 7517), and those among them that a token may be signed with. */

/** The part of a token's header that says which key signed it. */
export interface KeyHeader {
  readonly alg: string;
  readonly kid?: string | undefined;
}

/** Keys that a token may be signed with. */
export interface Candidates {
  readonly keys: readonly CryptoKey[];
  /** Whether the token names them. Otherwise the issuer may have replaced them without a sign in the token. */
  readonly named: boolean;
}

/** One issuer's keys as they were fetched. */
export interface KeySet {
  /**
   * The keys that a token with this header may be signed with; empty when the set has none.
   * @param issuer the token's issuer, where several share the set; a key that is for another one is then left out
   * @throws {UnauthorizedError} `unknown_key` when more than `MAX_CANDIDATES` fit
   */
  candidates(header: KeyHeader, issuer?: string): Promise<Candidates>;
}

/** RSA keys with fewer bits are not used (RFC 7518, section 3.3). */
export const MIN_RSA_BITS = 2048;

/**
 * Keys that are tried for one token, which names none of them. More would multiply the cost of each forged token: OpenID
 * Connect Core, section 10.1, requires that a token names its key when there are several.
 */
export const MAX_CANDIDATES = 8;

/** The usable keys of a JWK Set. */
export interface ParsedKeySet {
  readonly set: KeySet;
  /** The number of keys in it. */
  readonly size: number;
  /** The same text for the same keys. */
  readonly text: string;
  /** The number of RSA keys that were left out because they are shorter than `MIN_RSA_BITS`. */
  readonly weak: number;
}

/**
 * Reads a JWK Set, and leaves out keys that are not public signature keys.
 * @throws {IssuerFaultError} when it is not a JWK Set or has no usable key
 */
export function parseKeySet(json: unknown): ParsedKeySet {
  const { keys, weak } = usableKeys(json);
  if (keys.length === 0) {
    throw new IssuerFaultError("its key set has no key that can be used", {
      summary: "its key set has no key that can be used",
      advice: "Wanted: public keys for signatures, RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519",
    });
  }
  return { set: keySet(keys), size: keys.length, text: JSON.stringify(keys), weak };
}

/** The error for a token whose key is not among its issuer's keys. */
export const unknownKey = ({ kid, alg }: KeyHeader) =>
  new UnauthorizedError(
    `the token is signed with a key that its issuer does not have: ${kid ? `kid ${show(kid)}` : "no kid"}, alg ${show(alg)}`,
    "unknown_key",
  );

/** A public signature key, and what its JWK says about its use. */
interface Key {
  readonly jwk: JWK;
  /** Undefined when the JWK has none, or an empty one. */
  readonly kid: string | undefined;
  /** The same text for the same key, whatever its JWK says about it. */
  readonly material: string;
  /** The issuer that the key is for, where several share a set, as those of Entra ID's tenants do. */
  readonly issuer: string | undefined;
}

function keySet(jwks: readonly JWK[]): KeySet {
  const keys = jwks.map(toKey);
  const imported = new Map<string, Promise<CryptoKey | undefined>>();

  function importKey({ jwk, material }: Key, alg: string): Promise<CryptoKey | undefined> {
    const name = `${alg} ${material}`;
    const known = imported.get(name);
    if (known) return known;
    const importing = importJWK({ ...jwk, alg }, alg).then(
      (key) => key as CryptoKey,
      () => undefined,
    );
    imported.set(name, importing);
    return importing;
  }

  return {
    async candidates(header, issuer) {
      const fitting = distinct(keys.filter((key) => fits(key, header.alg) && isFor(key, issuer)));
      const named = fitting.filter(({ kid }) => kid !== undefined && kid === header.kid);
      const chosen = named.length > 0 ? named : unnamed(fitting, header.kid);
      if (chosen.length > MAX_CANDIDATES) {
        throw new UnauthorizedError(
          `the token names no key (kid), and its issuer has ${chosen.length} that fit; at most ${MAX_CANDIDATES} are tried`,
          "unknown_key",
        );
      }
      const usable = await Promise.all(chosen.map((key) => importKey(key, header.alg)));
      return { keys: usable.filter((key) => key !== undefined), named: named.length > 0 };
    },
  };
}

/** A token that names no key may be signed with any of them, and a key without a name may have signed any token. */
const unnamed = (keys: readonly Key[], kid: string | undefined): readonly Key[] =>
  kid ? keys.filter((key) => key.kid === undefined) : keys;

/** Some issuers list a key twice. */
function distinct(keys: readonly Key[]): Key[] {
  return [...new Map(keys.map((key) => [`${key.kid ?? ""} ${key.material}`, key])).values()];
}

function toKey(jwk: JWK): Key {
  const { kid, issuer } = jwk as { kid?: unknown; issuer?: unknown };
  return {
    jwk,
    kid: typeof kid === "string" && kid !== "" ? kid : undefined,
    material: JSON.stringify([jwk.kty, jwk.crv, jwk.x, jwk.y, jwk.n, jwk.e]),
    issuer: typeof issuer === "string" ? issuer : undefined,
  };
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: "P-256",
  ES384: "P-384",
  ES512: "P-521",
  EdDSA: "Ed25519",
};

/** RFC 9864 gave the only curve of `EdDSA` that is in use an algorithm of its own; issuers mix the two names. */
export const algorithmName = (alg: string): string => (alg === "Ed25519" ? "EdDSA" : alg);

/** Whether the key is for this algorithm. */
function fits({ jwk }: Key, alg: string): boolean {
  const name = algorithmName(alg);
  if (jwk.alg !== undefined && algorithmName(jwk.alg) !== name) return false;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes("verify")) return false;
  return /^[RP]S/.test(name) ? jwk.kty === "RSA" : jwk.crv === CURVES[name];
}

/** Whether the key may sign for this issuer: without a word about it, it may. */
function isFor({ issuer: wanted }: Key, issuer: string | undefined): boolean {
  if (wanted === undefined || issuer === undefined) return true;
  const [before = "", after, ...more] = wanted.split(TENANT);
  if (after === undefined || more.length > 0) return wanted === issuer;
  return issuer.startsWith(before) && issuer.endsWith(after) && issuer.length > before.length + after.length;
}

/** The public signature keys of a JWK Set. `weak` counts the RSA keys that are too short. */
function usableKeys(json: unknown): { keys: JWK[]; weak: number } {
  const listed = (json as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(listed)) {
    throw new IssuerFaultError("its key set is not a JWK Set", {
      summary: "its key set is not a JWK Set",
      advice: "Check jwks_uri",
    });
  }
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
