import type { TokenAuthenticator } from "../core/identity.ts";

/**
 * One authenticator made of several, which are called in order until one returns an identity. An error is not caught: a
 * token that one authenticator refuses must not be offered to the next.
 */
export function firstOf(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  const [only] = authenticators;
  if (only && authenticators.length === 1) return only;
  return async (token, requested) => {
    for (const authenticateToken of authenticators) {
      const identity = await authenticateToken(token, requested);
      if (identity) return identity;
    }
    return null;
  };
}
