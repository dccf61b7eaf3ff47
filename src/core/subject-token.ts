import type { Brand } from "../util/brand.ts";
import { InvalidUserError } from "./errors.ts";
import { seedsIn } from "./keys/nkey.ts";

/**
 * One literal token of a NATS subject: no dot, no wildcard, no space, nothing that a permission template could expand.
 * Every value that enters a subject is one of these: with `users.{{name()}}.>`, a user named `*` could read every
 * user's subjects. It is public, in JWTs, logs and subjects, so it must not contain a seed, the only secret short
 * enough to fit.
 */
export type SubjectToken = Brand<string, "SubjectToken">;

export const MAX_TOKEN_LENGTH = 64;

/** The characters and the length of a subject token. That it contains no seed is a further check. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether the value is a string and one literal subject token. */
export function isSubjectToken(value: unknown): value is SubjectToken {
  return typeof value === "string" && SUBJECT_TOKEN.test(value) && seedsIn(value).length === 0;
}

/**
 * Checks a user name.
 * @throws {InvalidUserError} when it is not 1 to 64 characters of `[A-Za-z0-9_-]`, or contains a seed. The message does
 * not repeat the name
 */
export function parseSubjectToken(value: unknown): SubjectToken {
  if (isSubjectToken(value)) return value;
  if (typeof value === "string" && SUBJECT_TOKEN.test(value)) {
    throw new InvalidUserError("a user's name is public, and this one contains a private key (an nkey seed)");
  }
  const came =
    typeof value === "string" && value.length > MAX_TOKEN_LENGTH
      ? `; this one has ${value.length} characters`
      : "";
  throw new InvalidUserError(
    `a user is one subject token: 1 to ${MAX_TOKEN_LENGTH} characters of A-Z, a-z, 0-9, _ and -${came}`,
  );
}
