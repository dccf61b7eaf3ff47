/** Every way a request or a set of keys can be wrong. Codes are stable; messages are for people and may change. */
export type ErrorCode =
  | "invalid_json"
  | "invalid_request"
  | "unsupported_media_type"
  | "body_too_large"
  | "not_acceptable"
  | "not_found"
  | "method_not_allowed"
  | "invalid_user"
  | "invalid_public_key"
  | "invalid_tag"
  | "invalid_ttl"
  | "unauthorized"
  | "host_not_allowed"
  | "origin_not_allowed"
  | "role_not_allowed"
  | "user_not_allowed"
  | "tag_not_allowed"
  | "request_timeout"
  | "rate_limited"
  | "overloaded"
  | "issuer_unavailable"
  | "keys_unavailable"
  | "invalid_keys"
  | "invalid_policy"
  | "invalid_api_keys"
  | "invalid_config";

/** What all errors of this package have in common. Its message never holds a seed, a token or a whole request. */
export abstract class MintError extends Error {
  abstract readonly code: ErrorCode;
  /** Seconds after which it may go better, when that is known. */
  readonly retryAfter?: number;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The body is not JSON. */
export class InvalidJsonError extends MintError {
  readonly code = "invalid_json";
}

/** The body is JSON of the wrong shape; the message names the field. */
export class InvalidRequestError extends MintError {
  readonly code = "invalid_request";
}

/** The body is not `application/json`, or it is compressed. */
export class UnsupportedMediaTypeError extends MintError {
  readonly code = "unsupported_media_type";
}

/** The body is longer than the mint reads. */
export class BodyTooLargeError extends MintError {
  readonly code = "body_too_large";
}

/** What `Accept` asks for can't be made from this request. */
export class NotAcceptableError extends MintError {
  readonly code = "not_acceptable";
}

/** No such path. */
export class NotFoundError extends MintError {
  readonly code = "not_found";
}

/** The path exists, the method doesn't. */
export class MethodNotAllowedError extends MintError {
  readonly code = "method_not_allowed";
  /** The methods that the path has, for the `Allow` header. */
  readonly allow: readonly string[];

  constructor(allow: readonly string[]) {
    super(`this path answers ${allow.join(", ")}`);
    this.allow = allow;
  }
}

/** A user name that is not one literal subject token. */
export class InvalidUserError extends MintError {
  readonly code = "invalid_user";
}

/** Not the public half of a user nkey. */
export class InvalidPublicKeyError extends MintError {
  readonly code = "invalid_public_key";
}

/** A tag whose name or value may not enter a permission, or one that the role needs and did not get. */
export class InvalidTagError extends MintError {
  readonly code = "invalid_tag";
}

/** A lifetime that is not a whole number of seconds, or too short to use. */
export class InvalidLifetimeError extends MintError {
  readonly code = "invalid_ttl";
}

/** Why a caller is not believed: one word for logs and metrics, from this list. */
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

/** The caller proved nothing, or its proof is not valid or ends too soon. The message never holds the proof. */
export class UnauthorizedError extends MintError {
  readonly code = "unauthorized";
  readonly reason: UnauthorizedReason;

  constructor(message: string, reason: UnauthorizedReason = "no_proof", options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** The request came under a host name that `dev` authentication doesn't answer for. */
export class HostNotAllowedError extends MintError {
  readonly code = "host_not_allowed";
}

/** The role doesn't exist or isn't for this caller. Both read the same, so that roles can't be listed by guessing. */
export class RoleNotAllowedError extends MintError {
  readonly code = "role_not_allowed";

  constructor() {
    super("the role does not exist or is not allowed here");
  }
}

/** The caller asks for another user than the one that it is. */
export class UserNotAllowedError extends MintError {
  readonly code = "user_not_allowed";
}

/** The caller asks for a tag, or for a value of one, that it may not have. */
export class TagNotAllowedError extends MintError {
  readonly code = "tag_not_allowed";
}

/** A page of this origin may not ask. */
export class OriginNotAllowedError extends MintError {
  readonly code = "origin_not_allowed";
}

/** The body did not come in time. */
export class RequestTimeoutError extends MintError {
  readonly code = "request_timeout";
}

/** More requests from this address, or for this caller, than are answered. */
export class RateLimitedError extends MintError {
  readonly code = "rate_limited";
  override readonly retryAfter: number;

  /** @param retryAfter seconds */
  constructor(message: string, retryAfter: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The service has more to do than it can do in time. */
export class OverloadedError extends MintError {
  readonly code = "overloaded";
  override readonly retryAfter = 1;
}

/** The issuer's keys are not known and can't be fetched: whether the token is good can't be said. */
export class IssuerUnavailableError extends MintError {
  readonly code = "issuer_unavailable";
  override readonly retryAfter = 5;
}

/** No usable keys yet; they may come at any moment. */
export class KeysUnavailableError extends MintError {
  readonly code = "keys_unavailable";
  override readonly retryAfter = 1;

  constructor() {
    super("the signing keys have not been exported yet");
  }
}

/** An account JWT and role keys that can't be used together, or at all; the message names the part, never its content. */
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

/** Wrong settings, one line each. */
export class ConfigError extends MintError {
  readonly code = "invalid_config";
}
