import { quote } from "../util/quote.ts";

/** The base class of this package's errors. A message never contains a seed, a token or a whole request. */
export abstract class MintError extends Error {
  /** The kind of error; it never changes. Compare this, never the message. */
  abstract readonly code: string;
  /** Seconds after which a retry may succeed, if that is known. */
  readonly retryAfter?: number;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The body is JSON of the wrong shape; the message names the field. */
export class InvalidRequestError extends MintError {
  readonly code = "invalid_request";
}

/** A user name that is not one literal subject token. */
export class InvalidUserError extends MintError {
  readonly code = "invalid_user";
}

/** Not the public half of a user nkey. */
export class InvalidPublicKeyError extends MintError {
  readonly code = "invalid_public_key";
}

/** A tag whose name or value may not enter a permission, or a tag that the role needs and the credential lacks. */
export class InvalidTagError extends MintError {
  readonly code = "invalid_tag";
}

/** A lifetime that is not a whole number of seconds, or too short to use. */
export class InvalidLifetimeError extends MintError {
  readonly code = "invalid_ttl";
}

/** Why a proof of identity was refused: one word for logs and metrics. */
export type UnauthorizedReason =
  | "no_proof"
  | "malformed"
  | "too_large"
  | "unknown_issuer"
  | "algorithm_not_allowed"
  | "unknown_key"
  | "bad_signature"
  | "wrong_type"
  | "wrong_audience"
  | "missing_claim"
  | "not_yet_valid"
  | "expired"
  | "sender_constrained"
  | "unknown_api_key";

/** The request has no proof of identity, or one that is not valid. The message never contains it. */
export class UnauthorizedError extends MintError {
  readonly code: "unauthorized" | "token_expiring" | "token_expired" = "unauthorized";
  readonly reason: UnauthorizedReason;

  constructor(message: string, reason: UnauthorizedReason = "no_proof", options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The proof of identity is valid, but it expires before a credential can be used. With a newer one, a retry succeeds. */
export class TokenExpiringError extends UnauthorizedError {
  override readonly code = "token_expiring";

  constructor(message: string) {
    super(message, "expired");
  }
}

/** The proof of identity has expired. With a newer one, a retry succeeds. */
export class TokenExpiredError extends UnauthorizedError {
  override readonly code = "token_expired";

  constructor(message: string) {
    super(message, "expired");
  }
}

/** The role doesn't exist, or this caller may not have it. One message for both: roles can't be found by guessing. */
export class RoleNotAllowedError extends MintError {
  readonly code = "role_not_allowed";

  constructor() {
    super("the role does not exist or is not allowed here");
  }
}

/** The request is for a user other than the caller's own, or the caller has no valid user name. */
export class UserNotAllowedError extends MintError {
  readonly code = "user_not_allowed";
}

/** A tag, or a tag's value, that the policy does not grant to this caller. */
export class TagNotAllowedError extends MintError {
  readonly code = "tag_not_allowed";
}

/** More requests from this address, or of this caller, than the limit allows. */
export class RateLimitedError extends MintError {
  readonly code = "rate_limited";
  override readonly retryAfter: number;

  /** @param retryAfter seconds */
  constructor(message: string, retryAfter: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The issuer's keys are not known and can't be fetched, so the token can't be verified. */
export class IssuerUnavailableError extends MintError {
  readonly code = "issuer_unavailable";
  override readonly retryAfter = 5;
}

/** No usable signing keys have been loaded yet; a retry may succeed at any moment. */
export class KeysUnavailableError extends MintError {
  readonly code = "keys_unavailable";
  override readonly retryAfter = 1;

  /** @param missing the file that is missing, for a caller that is no request */
  constructor(missing?: string) {
    super(
      `the signing keys have not been exported yet${missing === undefined ? "" : `: there is no ${quote(missing)}`}`,
    );
  }
}

/**
 * An account JWT and role keys that can't be used together, or at all; the message names the part, never its content.
 */
export class InvalidKeysError extends MintError {
  readonly code = "invalid_keys";
}

/** A policy that can't be used, in whole or in part; the message names the place in it. */
export class InvalidPolicyError extends MintError {
  readonly code = "invalid_policy";
}

/** A file of API keys that can't be used; the message names the place in it, never a key or its hash. */
export class InvalidApiKeysError extends MintError {
  readonly code = "invalid_api_keys";
}

/** Wrong settings; the message has one line for each. */
export class ConfigError extends MintError {
  readonly code = "invalid_config";
}

/** All errors of this file. `switch (error.code)` narrows to one of them. */
export type CoreError =
  | InvalidRequestError
  | InvalidUserError
  | InvalidPublicKeyError
  | InvalidTagError
  | InvalidLifetimeError
  | UnauthorizedError
  | TokenExpiringError
  | TokenExpiredError
  | RoleNotAllowedError
  | UserNotAllowedError
  | TagNotAllowedError
  | RateLimitedError
  | IssuerUnavailableError
  | KeysUnavailableError
  | InvalidKeysError
  | InvalidPolicyError
  | InvalidApiKeysError
  | ConfigError;
