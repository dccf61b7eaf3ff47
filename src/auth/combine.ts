import type { Authenticator } from "../core/identity.ts";

/**
 * Asks one authenticator after the other until one knows the caller. What one throws ends it: a proof that was looked
 * at and is bad must not become another authenticator's nobody.
 */
export function firstOf(authenticators: readonly Authenticator[]): Authenticator {
  const [only] = authenticators;
  if (only && authenticators.length === 1) return only;
  return async (request, asked) => {
    for (const authenticate of authenticators) {
      const identity = await authenticate(request, asked);
      if (identity) return identity;
    }
    return null;
  };
}
