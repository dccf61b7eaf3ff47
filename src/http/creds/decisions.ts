import type { DecidedCredential, Decision } from "../../core/decision.ts";
import { MintError, UnauthorizedError } from "../../core/errors.ts";
import type { Identity } from "../../core/identity.ts";
import type { Asking } from "../edge/envelope.ts";

/** What a request for a credential leaves behind on its way, for the report on it. */
export interface Trail {
  /** What is left of the limits that were asked, as the answer's header says it. */
  limits: string;
  /** Who the caller proved to be. */
  identity?: Identity;
  credential?: DecidedCredential;
  /** Milliseconds that the mint took. */
  mintDuration?: number;
}

/** The report on a request that was answered, with or without an error. */
export function decisionOf(
  { requestId, client: { address }, began }: Asking,
  { identity, credential, mintDuration }: Trail,
  error: Error | undefined,
  status: number,
): Decision {
  return {
    outcome: error ? "refused" : "granted",
    code: error ? (error instanceof MintError ? error.code : "internal_error") : "granted",
    reason: error instanceof UnauthorizedError ? error.reason : undefined,
    status,
    requestId,
    address,
    issuer: identity?.issuer,
    subject: identity?.subject,
    credential: credential && !error ? decided(credential) : undefined,
    duration: performance.now() - began,
    mintDuration,
  };
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
