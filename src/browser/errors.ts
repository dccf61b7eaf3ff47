/** Why there is no credential. Tell by `code`; messages are for people. */
export class SessionError extends Error {
  override name = "SessionError";
  readonly code: "unavailable" | "unauthorized" | "unsupported" | "closed";
  /** Milliseconds that the next try has to wait at least. */
  readonly retryAfter: number;

  constructor(code: SessionError["code"], message: string, { cause, retryAfter = 0 }: Reason = {}) {
    super(message, { cause });
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

interface Reason {
  cause?: unknown;
  retryAfter?: number;
}

/** Who is calling may not, or no more, have a credential: the application must log in again. Final. */
export class UnauthorizedError extends SessionError {
  override name = "UnauthorizedError";

  constructor(message: string) {
    super("unauthorized", message);
  }
}
