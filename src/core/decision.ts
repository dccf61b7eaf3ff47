import type { UnauthorizedReason } from "./errors.ts";

/**
 * What became of one request for a credential: all that an audit wants to know. It is made field by field out of names
 * that were checked, so that nothing secret can be in it.
 */
export interface Decision {
  readonly outcome: "granted" | "refused";
  /** `granted`, or the `code` of the answer. */
  readonly code: string;
  /** For the code `unauthorized`: what was wrong with the proof. */
  readonly reason?: UnauthorizedReason | undefined;
  /** The answer's status. */
  readonly status: number;
  readonly requestId: string;
  /** Where from, as far as it is known. */
  readonly address?: string | undefined;
  /** Who vouches for the caller, and who it is; any text. Only when it was proved. */
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  /** What was signed. */
  readonly credential?: DecidedCredential | undefined;
  /** Milliseconds from the request to the answer, and those of them that the mint took. */
  readonly duration: number;
  readonly mintDuration?: number | undefined;
}

/** One answer of the service, to whatever request. */
export interface Answered {
  /** The pattern of the path, `/creds`, or `other` for a path that isn't there. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Milliseconds from the request's head to the answer. */
  readonly duration: number;
}

/** What was signed, without what makes it usable. Times in seconds since the epoch. */
export interface DecidedCredential {
  readonly role: string;
  readonly user: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The client's public key, by which a credential is revoked. */
  readonly publicKey: string;
  readonly jti: string;
  readonly expiresAt: number;
}
