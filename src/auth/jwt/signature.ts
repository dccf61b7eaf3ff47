import { KeyObject, verify as verifySync } from "node:crypto";
import { type CryptoKey, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import { CLOCK_SKEW, type Peeked, unauthorized } from "./token.ts";

/**
 * Verifies a token's signature and the claims of RFC 7519 with jose. jose verifies on another thread, which takes longer
 * than an RSA signature itself. So the platform verifies these here; and when the claims are not plainly valid, jose still
 * decides.
 */

/** The hash of each RSASSA-PKCS1-v1_5 algorithm (RFC 7518, section 3.3). */
const RSA_HASHES: Readonly<Record<string, string>> = { RS256: "sha256", RS384: "sha384", RS512: "sha512" };

/**
 * @param peeked of the same token
 * @param candidates the keys that may have signed the token
 * @param now milliseconds since the epoch
 * @returns the token's claims
 * @throws {UnauthorizedError} when none of the keys has signed the token, or a claim of RFC 7519 is not valid
 */
export async function verifySignature(
  token: string,
  peeked: Peeked,
  candidates: readonly CryptoKey[],
  now: number,
): Promise<JWTPayload> {
  const { issuer, header, claims } = peeked;
  const hash = RSA_HASHES[header.alg];
  const signers = hash ? candidates.filter((key) => isSignedBy(key, hash, token)) : candidates;
  if (hash && signers.length > 0 && arePlainlyValid(claims, now / 1000)) return claims;

  const options: JWTVerifyOptions = {
    issuer,
    algorithms: [header.alg],
    requiredClaims: ["iss", "sub", "exp"],
    clockTolerance: CLOCK_SKEW,
    currentDate: new Date(now),
  };
  let failure: unknown = new errors.JWSSignatureVerificationFailed();
  for (const key of signers) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      failure = error;
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  throw unauthorized(failure, now / 1000);
}

/** The platform's form of each key; kept as long as the key. */
const keyObjects = new WeakMap<CryptoKey, KeyObject>();

function isSignedBy(key: CryptoKey, hash: string, token: string): boolean {
  let keyObject = keyObjects.get(key);
  if (!keyObject) {
    keyObject = KeyObject.from(key as Parameters<typeof KeyObject.from>[0]);
    keyObjects.set(key, keyObject);
  }
  const end = token.lastIndexOf(".");
  const signed = Buffer.from(token.slice(0, end), "latin1");
  return verifySync(hash, signed, keyObject, Buffer.from(token.slice(end + 1), "base64url"));
}

/** Whether jose would accept these claims. @param now seconds since the epoch */
function arePlainlyValid({ sub, exp, nbf, iat }: JWTPayload, now: number): boolean {
  return (
    sub !== undefined &&
    typeof exp === "number" &&
    exp > now &&
    (nbf === undefined || (typeof nbf === "number" && nbf <= now)) &&
    (iat === undefined || typeof iat === "number")
  );
}
