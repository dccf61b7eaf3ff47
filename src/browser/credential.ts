import { makeUserKey, type UserKey } from "./key.ts";

/** What a credential source gives: the mint's answer to `POST /creds`, of which this much is needed. */
export interface Credentials {
  /** A user JWT for the public key that was asked for, or for the one that `seed` belongs to. */
  readonly jwt: string;
  /** Only with credentials whose key pair was made elsewhere. */
  readonly seed?: string;
  /** WebSocket URLs. */
  readonly servers: readonly string[];
  /** `_INBOX` by default. */
  readonly inbox_prefix?: string;
  /**
   * The server's clock when it answered, just now, in milliseconds since the epoch. Without it this machine's clock is
   * believed.
   */
  readonly server_time?: number;
  readonly user?: string;
  readonly role?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly permissions?: Permissions;
}

/** The permissions in clear. */
export interface Permissions {
  readonly pub?: Subjects;
  readonly sub?: Subjects;
}

interface Subjects {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** Where credentials come from. Asked once for each; throws `UnauthorizedError` when there is no use in asking again. */
export type CredentialSource = (request: CredentialRequest) => Promise<Credentials> | Credentials;

export interface CredentialRequest {
  /** The user nkey that this page has the private half of. */
  readonly publicKey: string;
  /** Aborted when the session is closed, or when the answer takes too long. */
  readonly signal: AbortSignal;
}

/**
 * Milliseconds gone by, by the clock that went further: the monotonic one does not run while the machine sleeps, the
 * wall clock may be set back.
 */
export function stopwatch(): () => number {
  const wall = Date.now();
  const monotonic = performance.now();
  return () => Math.max(Date.now() - wall, performance.now() - monotonic);
}

/** Where a credential is used in its very last second, the server lets in and throws out. */
const MARGIN = 1000;

/** What is left of a credential's life when the next one is due: chance decides where between. */
const DUE_FROM = 0.15;
const DUE_SPREAD = 0.1;

/** A credential in use, with the key that goes with it. */
export interface Credential {
  readonly answer: Credentials;
  readonly key: UserKey;
  /** Milliseconds until the server ends it, by the server's clock; `Infinity` if it doesn't. */
  readonly left: number;
  readonly isDue: boolean;
  readonly isUsable: boolean;
  /** Why the server would not have it. */
  refusal: string | undefined;
}

/**
 * Checks what a source gave.
 * @param age  since it was asked
 * @throws {TypeError} when it can't be used; the message never holds the credential
 */
export async function readCredential(
  answer: Credentials,
  own: UserKey,
  age: () => number,
): Promise<Credential> {
  const { sub, exp } = claimsOf(answer?.jwt);
  const { seed, servers, server_time: now = Date.now() } = answer;
  const key = seed === undefined ? own : await makeUserKey(undefined, { publicKey: sub, seed });
  const lifetime = exp === undefined ? Infinity : exp * 1000 - now;
  const due = lifetime * (DUE_FROM + Math.random() * DUE_SPREAD);
  const credential: Credential = {
    answer,
    key,
    refusal: undefined,
    get left() {
      return lifetime - age();
    },
    get isDue() {
      return credential.left < due;
    },
    get isUsable() {
      return !credential.refusal && credential.left > MARGIN;
    },
  };
  if (key.publicKey !== sub) throw new TypeError("the credential has another key");
  if (!servers?.length) throw new TypeError("the credential has no servers");
  if (!credential.isUsable) throw new TypeError("the credential has ended");
  return credential;
}

function claimsOf(jwt: unknown): { sub: string; exp?: number } {
  try {
    const payload = String(jwt).split(".")[1] ?? "";
    return JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    throw new TypeError("the credential has no JWT");
  }
}
