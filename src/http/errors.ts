import { type CoreError, MintError } from "../core/errors.ts";

/** Errors of the HTTP door. */

/** The body is not JSON. */
export class InvalidJsonError extends MintError {
  readonly code = "invalid_json";
}

/** Something has read the body before it reached the mint, and left nothing of it. */
export class BodyUsedError extends MintError {
  readonly code = "body_used";

  constructor() {
    super(
      "the body was read before it reached the mint: mount the mint before what reads bodies, such as express.json(), or with nodeHandler() of nats-mint",
    );
  }
}

/** The body is not `application/json`, or it is compressed. */
export class UnsupportedMediaTypeError extends MintError {
  readonly code = "unsupported_media_type";
}

/** The body is longer than 8 KiB. */
export class BodyTooLargeError extends MintError {
  readonly code = "body_too_large";
}

/** `Accept` requests a creds file, but the mint doesn't have the seed for it. */
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
    super(`this path accepts ${allow.join(", ")}`);
    this.allow = allow;
  }
}

/** The request came under a host name that `dev` authentication doesn't accept. */
export class HostNotAllowedError extends MintError {
  readonly code = "host_not_allowed";
}

/** Pages of this origin may not send requests. */
export class OriginNotAllowedError extends MintError {
  readonly code = "origin_not_allowed";
}

/** The body did not arrive in time. */
export class RequestTimeoutError extends MintError {
  readonly code = "request_timeout";
}

/** More requests than the service can process in time, or the service is stopping. */
export class OverloadedError extends MintError {
  readonly code = "overloaded";
  override readonly retryAfter = 1;
}

/** All errors of this file. */
export type HttpError =
  | BodyUsedError
  | InvalidJsonError
  | UnsupportedMediaTypeError
  | BodyTooLargeError
  | NotAcceptableError
  | NotFoundError
  | MethodNotAllowedError
  | HostNotAllowedError
  | OriginNotAllowedError
  | RequestTimeoutError
  | OverloadedError;

/** Every error of this package. `switch (error.code)` narrows to one of them. */
export type AnyMintError = CoreError | HttpError;

/** Whether it is an error of this package, and `error.code` identifies it. */
export const isMintError = (error: unknown): error is AnyMintError => error instanceof MintError;
