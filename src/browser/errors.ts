/** Why there is no credential. Programs check `code`; `message` is for people and may change. */
export class CredentialError extends Error {
  override name = "CredentialError";
  /**
   * - `unavailable`: no credential for now, a later request may succeed
   * - `unauthorized`: the mint refused; always an `UnauthorizedError`
   * - `unsupported`: this page cannot make an Ed25519 key
   * - `closed`: `close()` was called
   */
  declare readonly code: "unavailable" | "unauthorized" | "unsupported" | "closed";
  /** Milliseconds to wait before the next request, at least; 0 if the mint did not say. */
  declare readonly retryAfter: number;

  constructor(code: CredentialError["code"], message: string, options: Options = {}) {
    super(message, options);
    this.code = code;
    this.retryAfter = options.retryAfter ?? 0;
  }
}

interface Options extends ErrorOptions {
  /** Milliseconds. */
  readonly retryAfter?: number;
}

/** The user may not have a credential, or no longer. No further request is sent: the application must log in again. */
export class UnauthorizedError extends CredentialError {
  override name = "UnauthorizedError";

  constructor(message: string) {
    super("unauthorized", message);
  }
}
