/** Why there is no credential. Tell them apart by `code`; messages are for people. */
export abstract class SessionError extends Error {
  abstract readonly code: string;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Who is calling is not, or no more, allowed to have a credential: the application must log in again. Final. */
export class UnauthorizedError extends SessionError {
  readonly code = "unauthorized";
}

/** No credential this time. What follows is another try. */
export class UnavailableError extends SessionError {
  readonly code = "unavailable";
  /** Milliseconds that the next try has to wait at least. */
  readonly retryAfter: number;

  constructor(message: string, { retryAfter = 0, ...options }: ErrorOptions & { retryAfter?: number } = {}) {
    super(message, options);
    this.retryAfter = retryAfter;
  }
}

/** The request for a credential is wrong in itself: a role or a path that isn't there. */
export class RefusedError extends SessionError {
  readonly code = "refused";
}

/** The session was closed. */
export class ClosedError extends SessionError {
  readonly code = "closed";
}

/** This browser can't make an Ed25519 key, and no nkeys implementation was given. */
export class UnsupportedError extends SessionError {
  readonly code = "unsupported";
}
