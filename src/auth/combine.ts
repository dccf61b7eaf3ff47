import type { Identity } from "../core/identity.ts";

/** Returns the identity that its arguments prove, or null for a proof of another kind. */
type Authenticate<Arguments extends readonly unknown[]> = (
  ...proof: Arguments
) => Identity | null | Promise<Identity | null>;

/**
 * One authenticator made of several, which are called in order until one returns an identity. An error is not caught: a
 * proof that one authenticator refuses must not be offered to the next.
 */
export function firstOf<Arguments extends readonly unknown[]>(
  authenticators: readonly Authenticate<Arguments>[],
): Authenticate<Arguments> {
  const [only] = authenticators;
  if (only && authenticators.length === 1) return only;
  return async (...proof) => {
    for (const authenticate of authenticators) {
      const identity = await authenticate(...proof);
      if (identity) return identity;
    }
    return null;
  };
}
