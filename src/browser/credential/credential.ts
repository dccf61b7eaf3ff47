import { makeUserKey, type UserKey } from "./key.ts";

/**
 * The response of a mint's `POST /creds`: the fields that this module and pages read. The whole response is in
 * src/http/creds/response.ts.
 */
export interface CredsResponse {
  /** A user JWT, for the requested public key or for the key of `seed`. */
  readonly jwt: string;
  /** `SU…`. Only if the key pair was not made on this page. */
  readonly seed?: string | undefined;
  /** WebSocket URLs of the NATS servers; other URLs are ignored. */
  readonly servers: readonly string[];
  /** Seconds since the epoch. */
  readonly expires_at?: number | undefined;
  /** The client's inbox prefix; `_INBOX` by default. */
  readonly inbox_prefix?: string | undefined;
  /**
   * The mint's clock at the time of the response, in milliseconds since the epoch. Without it, this machine's clock must
   * be right.
   */
  readonly server_time?: number | undefined;
  readonly user?: string | undefined;
  readonly role?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly permissions?: Permissions | undefined;
}

/** The subjects that a credential allows and denies, with tags and names filled in. */
export interface Permissions {
  readonly pub?: Subjects | undefined;
  readonly sub?: Subjects | undefined;
}

interface Subjects {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
}

/**
 * Gets one credential; called for each. It throws `UnauthorizedError` if another call would be useless; after any other
 * error it is called again.
 */
export type CredentialSource = (request: CredentialRequest) => Promise<CredsResponse> | CredsResponse;

export interface CredentialRequest {
  /** The user public key (`U…`) that the JWT must be for. This page has the private key. */
  readonly publicKey: string;
  /** Aborted when the result is no longer needed: after `close()`, or when the time limit of 10 s is over. */
  readonly signal: AbortSignal;
}

/** A credential and its key pair. */
export interface Credential {
  readonly response: CredsResponse;
  readonly key: UserKey;
  /** Milliseconds until it expires, by the server's clock; `Infinity` for a JWT without `exp`. */
  timeLeft(): number;
  /** Whether it is time to renew it. */
  isDue(): boolean;
  /** Whether a login with it can succeed. */
  isUsable(): boolean;
  /** The `-ERR` line by which a server refused it. */
  refusal?: string;
}

/**
 * Checks a response.
 * @param ownKey  the key pair that the credential was requested for
 * @param age  milliseconds since the request
 * @throws {TypeError} if the credential cannot be used; the message contains nothing of the credential
 * @throws {CredentialError} `unsupported` if it has a `seed` that WebCrypto cannot import
 */
export async function readCredential(
  response: CredsResponse,
  ownKey: UserKey,
  age: () => number,
): Promise<Credential> {
  /**
   * Milliseconds before its end at which a credential is no longer used for a login: a server accepts it until the last
   * moment, and closes the connection right after.
   */
  const MARGIN = 1000;
  /** The part of a credential's lifetime that is left when it is renewed: a random value of this range. */
  const DUE_FROM = 0.15;
  const DUE_SPREAD = 0.1;
  /** But so many milliseconds at least, if that is not more than half: a renewal takes time, and may need a second try. */
  const DUE_LEAST = 5000;

  const { sub, exp } = readClaims(response?.jwt);
  const { seed, servers, server_time: now = Date.now() } = response;
  const key = seed ? await makeUserKey(undefined, { publicKey: sub, seed }) : ownKey;
  const lifetime = exp ? exp * 1000 - now : Infinity;
  const timeLeft = () => lifetime - age();
  const due = Math.max(lifetime * (DUE_FROM + Math.random() * DUE_SPREAD), Math.min(DUE_LEAST, lifetime / 2));
  const credential: Credential = {
    response,
    key,
    timeLeft,
    isDue: () => timeLeft() < due,
    isUsable: () => !credential.refusal && timeLeft() > MARGIN,
  };
  if (key.publicKey !== sub) throw new TypeError("the credential has another key");
  if (!servers?.length) throw new TypeError("the credential has no servers");
  if (!credential.isUsable()) throw new TypeError("the credential has expired");
  return credential;
}

/** The claims of a JWT, unverified: the NATS server verifies them. */
function readClaims(jwt: string): { sub: string; exp?: number } {
  try {
    const payload = jwt.split(".")[1] as string;
    return JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    throw new TypeError("the credential has no JWT");
  }
}
