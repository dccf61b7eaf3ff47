import type { Seconds } from "./lifetime.ts";
import type { SubjectToken } from "./subject-token.ts";
import type { Tags } from "./tags.ts";

/** Who the caller proved to be. */
export interface Identity {
  /** Who vouches for it: an OpenID issuer, an application's own sessions, `dev`. */
  readonly issuer: string;
  /** Who it is, unique within the issuer; any text. */
  readonly subject: string;
  /** What else the issuer says about it. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** When the proof ends, in seconds since the epoch. No credential outlives it. */
  readonly expiresAt?: number;
}

/** What the caller would like to have. Well-formed, but only wishes: a policy decides. */
export interface Asked {
  /** Whom the credential is for. Only for an authenticator that lets its caller say so, such as `dev`. */
  readonly user?: SubjectToken;
  readonly role?: string;
  readonly tags?: Tags;
  readonly ttl?: Seconds;
}

/** What an identity gets, now. */
export interface Grant {
  readonly role: string;
  readonly user: SubjectToken;
  readonly tags?: Tags | undefined;
  /** A lifetime shorter than the role's. */
  readonly ttl?: Seconds | undefined;
  /** The latest end, in seconds since the epoch. */
  readonly expiresBy?: number | undefined;
}

/**
 * Who is calling? Null for a caller that proves nothing. The request's body has been read already; what it said is
 * in `asked`. May throw a `MintError` to refuse with more than 401.
 */
export type Authenticator = (request: Request, asked: Asked) => Identity | null | Promise<Identity | null>;

/** What may they have? Throws `RoleNotAllowedError` for what they may not. */
export type Policy = (identity: Identity, asked: Asked) => Grant | Promise<Grant>;

/** The grant, ending no later than the proof it rests on. */
export function withinProof(grant: Grant, { expiresAt }: Identity): Grant {
  if (expiresAt === undefined) return grant;
  return { ...grant, expiresBy: Math.min(grant.expiresBy ?? expiresAt, expiresAt) };
}
