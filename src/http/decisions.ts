import { createMiddleware } from "hono/factory";
import type { DecidedCredential, Decision } from "../core/decision.ts";
import { MintError, UnauthorizedError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";

/** What a request for a credential leaves behind on its way, for the report on it. */
export interface Trail {
  Variables: {
    requestId: string;
    /** The client's address, as far as it is known. */
    address: string | undefined;
    /** Who the caller proved to be. */
    identity: Identity;
    credential: DecidedCredential;
    /** Milliseconds that the mint took. */
    mintDuration: number;
  };
}

/** Reports each decision, once its answer stands. */
export function decisions(report: (decision: Decision) => void) {
  return createMiddleware<Trail>(async (c, next) => {
    const began = performance.now();
    await next();
    const { requestId, address, identity, credential, mintDuration } = c.var;
    const { error } = c;
    report({
      outcome: error ? "refused" : "granted",
      code: error ? (error instanceof MintError ? error.code : "internal_error") : "granted",
      ...(error instanceof UnauthorizedError && { reason: error.reason }),
      status: c.res.status,
      requestId,
      ...(address !== undefined && { address }),
      ...(identity && { issuer: identity.issuer, subject: identity.subject }),
      ...(credential && !error && { credential: decided(credential) }),
      duration: performance.now() - began,
      ...(mintDuration !== undefined && { mintDuration }),
    });
  });
}

/** A copy of these fields and no others: what comes in may hold the JWT and the seed too. */
const decided = ({ role, user, tags, publicKey, jti, expiresAt }: DecidedCredential): DecidedCredential => ({
  role,
  user,
  tags,
  publicKey,
  jti,
  expiresAt,
});
