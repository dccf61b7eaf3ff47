import { hash } from "node:crypto";
import { encodeBase32 } from "../../util/base32.ts";
import { UserNotAllowedError } from "../errors.ts";
import type { Identity } from "../identity.ts";
import { parseSubjectToken, type SubjectToken } from "../subject-token.ts";

/**
 * The user name of an identity when the policy takes no name from a claim. Streams and keys are named after users, so
 * the format must not change: `u-` and, in lower-case base32 without padding, the first 20 bytes of
 * SHA-256(length(issuer) ‖ issuer ‖ length(subject) ‖ subject), texts in UTF-8 and lengths in bytes, as 32-bit
 * big-endian numbers. The lengths keep `("ab", "c")` and `("a", "bc")` apart.
 */

const DERIVED = /^u-[a-z2-7]{32}$/;
const DIGEST_BYTES = 20;
const LENGTH_BYTES = 4;

/** The names of identities that are kept and can't change. Undefined until one is needed. */
const kept = new WeakMap<object, SubjectToken | undefined>();

/** Keeps the derived name of an identity that is used repeatedly. @param identity it must be frozen */
export function keepDerivedUser(identity: Pick<Identity, "issuer" | "subject">): void {
  if (Object.isFrozen(identity)) kept.set(identity, undefined);
}

/**
 * The derived name: always the same for one issuer and subject, and different for any other pair.
 * @throws {UserNotAllowedError} when one of them contains half a surrogate pair: UTF-8 has the same bytes for every
 * half
 */
export function deriveUser(identity: Pick<Identity, "issuer" | "subject">): SubjectToken {
  const known = kept.get(identity);
  if (known !== undefined) return known;
  const name = derive(identity);
  if (kept.has(identity)) kept.set(identity, name);
  return name;
}

function derive({ issuer, subject }: Pick<Identity, "issuer" | "subject">): SubjectToken {
  if (!issuer.isWellFormed() || !subject.isWellFormed()) {
    throw new UserNotAllowedError("issuer or subject is not valid Unicode");
  }
  const issuerBytes = Buffer.byteLength(issuer);
  const subjectBytes = Buffer.byteLength(subject);
  const bytes = Buffer.alloc(LENGTH_BYTES + issuerBytes + LENGTH_BYTES + subjectBytes);
  bytes.writeUInt32BE(issuerBytes, 0);
  bytes.write(issuer, LENGTH_BYTES);
  bytes.writeUInt32BE(subjectBytes, LENGTH_BYTES + issuerBytes);
  bytes.write(subject, LENGTH_BYTES + issuerBytes + LENGTH_BYTES);
  const name = encodeBase32(hash("sha256", bytes, "buffer").subarray(0, DIGEST_BYTES)).toLowerCase();
  return parseSubjectToken(`u-${name}`);
}

/** Whether the name has the form of a derived one. */
export const looksDerived = (name: string): boolean => DERIVED.test(name);
