import { quote } from "../util/quote.ts";
import { InvalidTagError } from "./errors.ts";
import { isSubjectToken, type SubjectToken } from "./subject-token.ts";

/**
 * Named values that a role's permissions refer to as `{{tag(name)}}`. Each has one value: a second one would widen
 * access.
 */
export type Tags = Readonly<Record<string, SubjectToken>>;

export const MAX_TAGS = 16;
// Lower case, because the server lower-cases the name in `{{tag(Name)}}` and compares it as it stands in the JWT.
export const TAG_NAME = /^[a-z0-9_-]{1,64}$/;

/**
 * Checks tags from outside.
 * @throws {InvalidTagError} for more than 16, a name that is not `[a-z0-9_-]{1,64}`, or a value that is not one subject
 * token
 */
export function parseTags(values: Readonly<Record<string, unknown>>): Tags {
  const entries = Object.entries(values);
  if (entries.length > MAX_TAGS) throw new InvalidTagError(`at most ${MAX_TAGS} tags`);
  for (const [name, value] of entries) {
    if (!TAG_NAME.test(name)) {
      throw new InvalidTagError(`tag name ${quote(name)}: wanted 1 to 64 characters of a-z, 0-9, _ and -`);
    }
    if (!isSubjectToken(value)) {
      throw new InvalidTagError(
        `tag ${quote(name)}: its value must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -, and no private key`,
      );
    }
  }
  return Object.fromEntries(entries) as Tags;
}
