import { InvalidRequestError } from "../errors.ts";
import type { Authorizer, Identity, Requested } from "../identity.ts";
import { parseSubjectToken } from "../subject-token.ts";

/**
 * The method `dev`: the request names the user, without proof, and is granted as it is. For a developer's own machine.
 */

/** @throws {InvalidRequestError} when the request names no user */
export function devIdentity({ user }: Requested): Identity {
  if (user === undefined) throw new InvalidRequestError("user: is required");
  return { method: "dev", issuer: "dev", subject: user, claims: {} };
}

/** The authorizer of `dev`: role, tags and lifetime as requested. */
export const devAuthorizer =
  (defaultRole: string): Authorizer =>
  ({ subject }, { role = defaultRole, tags, ttl }) => ({ role, user: parseSubjectToken(subject), tags, ttl });
