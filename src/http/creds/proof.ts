import { UnauthorizedError } from "../../core/errors.ts";
import type { Identity, Proof, Requested } from "../../core/identity.ts";
import { isPromise } from "../../util/is-promise.ts";
import { bearerToken } from "../bearer.ts";

/**
 * The application's own login: returns the identity of a request's sender, or null for a request that proves no
 * identity. The body has been read already; its content is in `requested`.
 * @throws {MintError} to refuse the request with another status than 401
 */
export type Authenticator = (
  request: Request,
  requested: Requested,
) => Identity | null | Promise<Identity | null>;

export interface ProofOptions {
  readonly authenticate?: Authenticator | undefined;
  /** Whether a Bearer token is a proof. */
  readonly acceptsTokens: boolean;
}

/**
 * The proof in an HTTP request: its Bearer token, where tokens are accepted, or else the identity that `authenticate`
 * returns. A request with a Bearer token is then not passed to `authenticate`.
 * @throws {UnauthorizedError} for an `Authorization` header without a proof that is accepted
 */
export function readProof(
  request: Request,
  requested: Requested,
  { authenticate, acceptsTokens }: ProofOptions,
): Proof | null | Promise<Proof | null> {
  const token = acceptsTokens ? bearerToken(request) : undefined;
  if (token !== undefined) return { kind: "token", token };
  const identity = authenticate?.(request, requested);
  const proofOf = (identity: Identity | null | undefined) => identityProof(identity, request, acceptsTokens);
  return isPromise(identity) ? identity.then(proofOf) : proofOf(identity);
}

function identityProof(
  identity: Identity | null | undefined,
  { headers }: Request,
  acceptsTokens: boolean,
): Proof | null {
  if (identity) return { kind: "identity", identity };
  // For example `Basic`, or a token where none is accepted: a common mistake in a client's configuration.
  if (headers.has("authorization")) {
    throw new UnauthorizedError(
      `the Authorization header has no proof of a kind that is accepted here: ${acceptsTokens ? "it is not Bearer" : "no tokens are accepted"}`,
      "malformed",
    );
  }
  return null;
}
