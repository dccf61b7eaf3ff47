import type { Seconds } from "./lifetime.ts";
import type { SubjectToken } from "./subject-token.ts";
import type { Tags } from "./tags.ts";

/** The authentication methods, as `MINT_AUTH` lists them. */
export const AUTH_METHODS = ["oidc", "api-key", "dev"] as const;
export type AuthMethodName = (typeof AUTH_METHODS)[number];

/** The caller's identity, as an authentication method established it. */
export interface Identity {
  /**
   * The method that established it: `oidc`, `api-key`, `dev`, or by default `application`, an application's own login.
   * It selects the authorizer, and is a field of audit records and a label of metrics.
   */
  readonly method?: string;
  /** The authority that issued the identity: an OpenID issuer's URL, `api-key:<id>`, an application's name. */
  readonly issuer: string;
  /** Identifies the caller, uniquely within the issuer; any text. */
  readonly subject: string;
  /** Further claims of the issuer about the caller. */
  readonly claims: Readonly<Record<string, unknown>>;
  /**
   * When the proof expires, in seconds since the epoch. No credential outlives it. Absent for a proof without expiry.
   */
  readonly expiresAt?: number | undefined;
}

/** The method of identities that an application's own login established. */
export const APPLICATION = "application";

/** What a caller presents to a door to prove its identity. */
export type Proof =
  /** A JWT or an API key that is still to be verified. */
  | { readonly kind: "token"; readonly token: string }
  /** An identity that the door itself established, for example from a session cookie. */
  | { readonly kind: "identity"; readonly identity: Identity };

/** What the caller requests. The values are well-formed; whether they are allowed is for the authorizer to decide. */
export interface Requested {
  /** The user that the credential is for. With `oidc` it can only be the caller's own user name. */
  readonly user?: SubjectToken;
  readonly role?: string;
  readonly tags?: Tags;
  readonly ttl?: Seconds;
}

/** What an authorizer grants to an identity. */
export interface Grant {
  /** The name of the account that the credential is for. Absent: the service's first account. */
  readonly account?: string | undefined;
  readonly role: string;
  readonly user: SubjectToken;
  readonly tags?: Tags | undefined;
  /** A lifetime shorter than the role's. */
  readonly ttl?: Seconds | undefined;
  /** The latest expiry, in seconds since the epoch. */
  readonly expiresBy?: number | undefined;
}

/**
 * Verifies a token. Null for a token of a kind that this authenticator doesn't know.
 * @throws {MintError} for a token that it knows and refuses
 */
export type TokenAuthenticator = (
  token: string,
  requested: Requested,
) => Identity | null | Promise<Identity | null>;

/**
 * Decides what an identity is granted.
 * @throws {MintError} to refuse: `RoleNotAllowedError`, `UserNotAllowedError`, `TagNotAllowedError`
 */
export type Authorizer = (identity: Identity, requested: Requested) => Grant | Promise<Grant>;
