/** Why there is no credential. Programs check `code`; `message` is for people and may change. */
export class CredentialError extends Error {
  override name = "CredentialError";
  /**
   * - `unavailable`: no credential for now, a later request may succeed
   * - `unauthorized`: the mint refused; always an `UnauthorizedError`
   * - `unsupported`: there is no Ed25519 or no WebSocket here, and none was passed
   * - `closed`: `close()` was called
   */
  declare readonly code: "unavailable" | "unauthorized" | "unsupported" | "closed";
  /** Milliseconds to wait before the next request, at least; 0 if the mint did not say, and at most an hour. */
  declare readonly retryAfter: number;

  constructor(code: CredentialError["code"], message: string, options: Options = {}) {
    super(message, options);
    /** A timer of more than 24 days would overflow, and end at once. */
    const LONGEST_RETRY_AFTER = 3_600_000;
    this.code = code;
    this.retryAfter = Math.max(0, Math.min(LONGEST_RETRY_AFTER, options.retryAfter || 0));
  }
}

interface Options extends ErrorOptions {
  /** Milliseconds. */
  readonly retryAfter?: number;
}

/** The user may not have a credential, or no longer. No further request is sent: the application must log in again. */
export class UnauthorizedError extends CredentialError {
  override name = "UnauthorizedError";
  /** The token has merely expired or is about to. Another one may be accepted, so some further requests are sent. */
  declare readonly isTokenExpired: boolean;

  constructor(message: string, isTokenExpired = false) {
    super("unauthorized", message);
    this.isTokenExpired = isTokenExpired;
  }
}
