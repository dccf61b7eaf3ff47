import { showPlace } from "../../util/zod-issues.ts";

/**
 * The place of a claim: its name, or the names that lead to it. A name is used as it is, dots and slashes included:
 * `https://example.com/roles` is one claim.
 */
export type ClaimPath = string | readonly string[];

/** What a claim can be compared with. */
export type Scalar = string | number | boolean;

/**
 * The claim's value; undefined when it is missing. Only the token's own fields count: no inherited property, such as
 * `constructor`, and no element of a list.
 */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of namesOf(path)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** The path for a message: `realm_access.roles`. */
export const showClaim = (path: ClaimPath): string => showPlace(namesOf(path));

const namesOf = (path: ClaimPath): readonly string[] => (typeof path === "string" ? [path] : path);
