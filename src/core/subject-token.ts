import type { Brand } from "../util/brand.ts";
import { InvalidUserError } from "./errors.ts";
import { seedsIn } from "./keys/nkey.ts";

/**
 * One literal token of a NATS subject: no dot, no wildcard, no space, nothing that a permission template could expand.
 * Whatever enters a subject is one of these, because under `users.{{name()}}.>` a user named `*` reads everybody. It is
 * public: it stands in JWTs, logs and subjects. So it contains no seed, which is the one secret that has these characters
 * and fits.
 */
export type SubjectToken = Brand<string, "SubjectToken">;

/** What a subject token looks like. It contains no seed besides, which is more than a pattern can say. */
export const SUBJECT_TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether the value is a string that can stand as one literal subject token. */
export function isSubjectToken(value: unknown): value is SubjectToken {
  return typeof value === "string" && SUBJECT_TOKEN.test(value) && seedsIn(value).length === 0;
}

/**
 * Takes a user name literally.
 * @throws {InvalidUserError} when it is not 1 to 64 characters of `[A-Za-z0-9_-]`, or contains a seed; the text is not
 * repeated
 */
export function parseSubjectToken(value: unknown): SubjectToken {
  if (isSubjectToken(value)) return value;
  if (typeof value === "string" && SUBJECT_TOKEN.test(value)) {
    throw new InvalidUserError("a user's name is public, and this one contains a private key (an nkey seed)");
  }
  throw new InvalidUserError("a user is one subject token: 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
}
