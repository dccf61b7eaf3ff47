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

/**
 * The derived name: always the same for one issuer and subject, and different for any other pair.
 * @throws {UserNotAllowedError} when one of them contains half a surrogate pair: UTF-8 has the same bytes for every
 * half
 */
export function deriveUser({ issuer, subject }: Pick<Identity, "issuer" | "subject">): SubjectToken {
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
