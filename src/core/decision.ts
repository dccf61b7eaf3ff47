import type { UnauthorizedReason } from "./errors.ts";

/**
 * The outcome of one request for a credential, for audit and metrics. It is made field by field from checked values, so
 * that it can hold no secret.
 */
export interface Decision {
  readonly outcome: "granted" | "refused";
  /** `granted`, or the error's `code`; `internal_error` for an error that is not a `MintError`. */
  readonly code: string;
  /** For `unauthorized`, `token_expiring` and `token_expired`: what was wrong with the proof. */
  readonly reason?: UnauthorizedReason | undefined;
  /** The status of the door's response, for a door whose responses have one. */
  readonly status?: number | undefined;
  readonly requestId: string;
  /** The client's address, where it is known. */
  readonly address?: string | undefined;
  /**
   * The identity's method, issuer and subject; issuer and subject may be any text. Absent when no identity was proved.
   */
  readonly method?: string | undefined;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  /** The credential, if one was granted. */
  readonly credential?: DecidedCredential | undefined;
  /** Milliseconds from the request to the response, and the part of them that signing took. */
  readonly duration: number;
  readonly mintDuration?: number | undefined;
}

/** One HTTP request and its response. */
export interface HandledRequest {
  /** The pattern of the path, such as `/creds`; `other` for a path that doesn't exist. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Milliseconds from the request's head to the response. */
  readonly duration: number;
}

/** A credential without the parts that make it usable, the JWT and the seed. Times in seconds since the epoch. */
export interface DecidedCredential {
  /** The account's public key. */
  readonly account: string;
  readonly role: string;
  readonly user: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The client's public key, by which a credential is revoked. */
  readonly publicKey: string;
  readonly jti: string;
  readonly expiresAt: number;
}
