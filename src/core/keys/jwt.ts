import { hash } from "node:crypto";
import { encodeBase32 } from "../../util/base32.ts";
import { type AccountSigner, verifySignature } from "./ed25519.ts";
import { Prefix } from "./nkey.ts";

/**
 * NATS JWTs, version 2: three base64url parts signed with Ed25519, as in ADR-14 and in `claims.go` of
 * github.com/nats-io/jwt/v2.
 */

const HEADER = encodePart('{"typ":"JWT","alg":"ed25519-nkey"}');

function encodePart(part: string | Uint8Array): string {
  return Buffer.from(part as string).toString("base64url");
}

/**
 * Adds `iss` and `jti` to the claims and signs them. The `jti` is a hash of the other claims, as in the Go library, so
 * it reveals nothing and needs no randomness.
 */
export function encodeJwt(
  claims: Readonly<Record<string, unknown>>,
  signer: AccountSigner,
): { jwt: string; jti: string } {
  return signClaims(JSON.stringify({ ...claims, iss: signer.publicKey }), signer);
}

/** The same for claims as JSON, which must be an object that is not empty, and contain the signer's `iss`. */
export function signClaims(json: string, signer: AccountSigner): { jwt: string; jti: string } {
  const jti = encodeBase32(hash("sha512-256", json, "buffer"));
  const signed = `${HEADER}.${encodePart(`{"jti":"${jti}",${json.slice(1)}`)}`;
  return { jwt: `${signed}.${encodePart(signer.sign(Buffer.from(signed, "latin1")))}`, jti };
}

/** The claims of a JWT that its `iss`, an operator or an account, has signed; undefined for anything else. */
export function decodeJwt(jwt: string): unknown {
  const [header, body, signature, ...rest] = jwt.split(".");
  if (!header || !body || !signature || rest.length > 0) return undefined;
  const { alg } = parsePart(header);
  const claims = parsePart(body);
  if (alg !== "ed25519-nkey" || typeof claims.iss !== "string") return undefined;
  const prefix = claims.iss.startsWith("O") ? Prefix.operator : Prefix.account;
  const signed = Buffer.from(`${header}.${body}`);
  if (!verifySignature(prefix, claims.iss, signed, Buffer.from(signature, "base64url"))) return undefined;
  return claims;
}

function parsePart(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
