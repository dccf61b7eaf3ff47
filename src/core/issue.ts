import { asError } from "../util/as-error.ts";
import { isPromise } from "../util/is-promise.ts";
import type { DecidedCredential, Decision } from "./decision.ts";
import { MintError, UnauthorizedError } from "./errors.ts";
import {
  APPLICATION,
  type Authorizer,
  type Grant,
  type Identity,
  type Proof,
  type Requested,
  type TokenAuthenticator,
} from "./identity.ts";
import type { UserPublicKey } from "./keys/nkey.ts";
import type { Credentials, Mint } from "./mint.ts";
import type { LimitState, RateLimiter } from "./rate-limit.ts";

/**
 * The steps from a request to a credential: limit the address, read the request, authenticate, limit the caller, decide,
 * sign, report. They are the same at every door. A door is a way to request credentials, such as HTTP; it only reads the
 * request and makes the response.
 */

/** The functions that the steps call. They are the same for every request. */
export interface IssueParts {
  /** Verifies a proof of the kind `token`. Absent: no such proof is accepted. */
  readonly authenticateToken?: TokenAuthenticator | undefined;
  readonly grant: Authorizer;
  /** The mint of an account; see `Grant.account`. @throws {MintError} when there is no such mint */
  readonly mintFor: (account: string | undefined) => Mint;
  readonly limits: RateLimiter;
  /** Receives each decision after the response was made. When it throws, the caller gets no credential. */
  readonly onDecision: (decision: Decision) => void;
  /** The status that a door's response has in the decision, for an error or, without one, for a credential. */
  readonly statusOf?: ((error: Error | undefined) => number) | undefined;
}

/** What is known about a request before it is read. */
export interface RequestContext {
  readonly requestId: string;
  /** The client's address; undefined when the door doesn't know it, and then no address limit applies. */
  readonly address: string | undefined;
  /** When the request arrived, in milliseconds of `performance.now()`. */
  readonly began: number;
}

/** A request for a credential, as a door read it. */
export interface IssueRequest {
  /** Null for a request without a proof. */
  readonly proof: Proof | null;
  readonly requested: Requested;
  /** The client's own public key; without it the mint makes a key pair. */
  readonly publicKey?: UserPublicKey | undefined;
}

/** One request at a door: what is known about it, and how the door reads and responds. */
export interface DoorRequest<T> {
  readonly context: RequestContext;
  /** Reads the request. An error that it throws is a refusal like any other. */
  readonly read: () => IssueRequest | Promise<IssueRequest>;
  /** Makes the door's response out of the credentials. */
  readonly respond: (credentials: Credentials) => T;
}

/** How a request ended. Either `response`, or `error`. */
export interface Outcome<T> {
  readonly response?: T;
  readonly error?: Error;
  /** The state of each limit that was checked. */
  readonly limits: readonly LimitState[];
}

/**
 * Processes one request and reports the decision. What a step throws is the outcome's `error`.
 * @throws what `onDecision` throws
 */
export async function issue<T>(parts: IssueParts, request: DoorRequest<T>): Promise<Outcome<T>> {
  const { authenticateToken, grant, mintFor, limits } = parts;
  const { context, read, respond } = request;
  const draft: DecisionDraft = { limits: [] };
  let outcome: Outcome<T>;
  try {
    limits.address(context.address, draft.limits);
    const { proof, requested, publicKey } = await read();
    if (!proof) throw new UnauthorizedError("the request has no proof of identity");
    const authenticated =
      proof.kind === "identity" ? proof.identity : authenticateToken?.(proof.token, requested);
    const identity = isPromise(authenticated) ? await authenticated : authenticated;
    if (!identity) throw unknownKind(proof);
    draft.identity = identity;
    limits.subject(identity, draft.limits);
    // Read before the authorizer runs, which may be an application's code and could change the identity.
    const { expiresAt } = identity;
    const decided = grant(identity, requested);
    const granted = withinProof(isPromise(decided) ? await decided : decided, expiresAt);
    const mint = mintFor(granted.account);
    const began = performance.now();
    draft.credentials = mint.issue(granted, publicKey);
    draft.mintDuration = performance.now() - began;
    outcome = { response: respond(draft.credentials), limits: draft.limits };
  } catch (thrown) {
    outcome = { error: asError(thrown), limits: draft.limits };
  }
  parts.onDecision(decisionOf(context, draft, outcome.error, parts.statusOf?.(outcome.error)));
  return outcome;
}

/** The results of the steps so far, for the decision. */
interface DecisionDraft {
  readonly limits: LimitState[];
  identity?: Identity;
  credentials?: Credentials;
  /** Milliseconds that signing took. */
  mintDuration?: number;
}

/** The error for a token that no authentication method knows. */
function unknownKind(proof: Proof): UnauthorizedError {
  const isJwt = proof.kind === "token" && proof.token.includes(".");
  const what = isJwt ? "it looks like a JWT" : "it is neither a JWT nor an API key";
  return new UnauthorizedError(`a token of this kind is not accepted here: ${what}`, "malformed");
}

/** The grant, expiring no later than the proof of identity. */
function withinProof(grant: Grant, expiresAt: number | undefined): Grant {
  if (expiresAt === undefined) return grant;
  // JavaScript callers may pass anything. The mint refuses NaN.
  const end = typeof expiresAt === "number" ? expiresAt : Number.NaN;
  return { ...grant, expiresBy: Math.min(grant.expiresBy ?? end, end) };
}

function decisionOf(
  { requestId, address, began }: RequestContext,
  { identity, credentials, mintDuration }: DecisionDraft,
  error: Error | undefined,
  status: number | undefined,
): Decision {
  return {
    outcome: error ? "refused" : "granted",
    code: error ? (error instanceof MintError ? error.code : "internal_error") : "granted",
    reason: error instanceof UnauthorizedError ? error.reason : undefined,
    status,
    requestId,
    address,
    method: identity && (identity.method ?? APPLICATION),
    issuer: identity?.issuer,
    subject: identity?.subject,
    credential: credentials && !error ? decidedCredential(credentials) : undefined,
    duration: performance.now() - began,
    mintDuration,
  };
}

/** A copy of these fields and no others: the credentials also hold the JWT and the seed. */
const decidedCredential = ({
  account,
  role,
  user,
  tags,
  publicKey,
  jti,
  expiresAt,
}: Credentials): DecidedCredential => ({
  account,
  role,
  user,
  tags,
  publicKey,
  jti,
  expiresAt,
});
