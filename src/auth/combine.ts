import type { TokenAuthenticator } from "../core/identity.ts";

/**
 * Calls one authenticator after the other until one returns an identity. An error that one throws ends it: a token that
 * one authenticator refused must not be offered to the next.
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
