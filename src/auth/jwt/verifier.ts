import { hash } from "node:crypto";
import type { JWTPayload } from "jose";
import { LRUCache } from "lru-cache";
import { IssuerUnavailableError, UnauthorizedError } from "../../core/errors.ts";
import type { Identity, TokenAuthenticator } from "../../core/identity.ts";
import { keepDerivedUser } from "../../core/policy/derived-user.ts";
import { ALGORITHMS } from "../../core/policy/issuer.ts";
import { recentKeys } from "../../util/recent-keys.ts";
import type { FetchDocument } from "./discovery.ts";
import { issuerTable, type JwtIssuer, type TrustedIssuer } from "./issuer-table.ts";
import type { KeySet } from "./key-set.ts";
import { verifySignature } from "./signature.ts";
import { checkAlgorithm, checkAudience, checkClaims, type Peeked, peek, unknownIssuer } from "./token.ts";

export interface JwtOptions {
  /**
   * Returns the issuers, each `iss` once. Called at each request; a change must be a new list. An entry that was
   * changed or removed loses its keys and its remembered tokens.
   */
  readonly issuers: () => readonly JwtIssuer[];
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
  /** Receives the reason when an issuer's keys can no longer be fetched, and again when the reason changes. */
  readonly onWarning?: (message: string) => void;
  /** Milliseconds that an issuer's keys stay in use when they can't be fetched again; an hour by default. */
  readonly maxStale?: number;
  /** Milliseconds that an issuer has to respond; 5000 by default. */
  readonly timeout?: number;
  /**
   * Whether issuers may be reached by plain http on other hosts than this machine; false by default. Their keys
   * can then be replaced on their way.
   */
  readonly allowHttp?: boolean;
  /** Fetches the documents of issuers; the platform's `fetch` by default. */
  readonly fetch?: FetchDocument;
}

/** Authentication with JWTs, and the upkeep of the issuers' keys. */
export interface JwtAuthentication {
  /**
   * Null for a token that is not a JWT.
   * @throws {UnauthorizedError} for a JWT that is not valid; `reason` says why
   * @throws {IssuerUnavailableError} when the issuer's keys are needed and can't be fetched
   */
  readonly authenticateToken: TokenAuthenticator;
  /**
   * Fetches the keys that are missing or older than ten minutes, so that no request has to wait for them. Never
   * rejects. Call it about once a minute: without requests for an hour, the keys would otherwise be too old to use.
   */
  warmUp(): Promise<void>;
  /** For each issuer with keys, the seconds since they were fetched. */
  keyAges(): readonly { readonly issuer: string; readonly seconds: number }[];
  /** Ends fetches that are under way. */
  close(): void;
}

/** The number of verified tokens that are remembered, each from its second use. The least recently used one is forgotten first. */
export const MAX_REMEMBERED = 10_000;
const HOUR = 3_600_000;
/** Milliseconds that an issuer has to respond. */
const TIMEOUT = 5000;

interface Verified {
  readonly identity: Identity & { readonly expiresAt: number };
  readonly trusted: TrustedIssuer;
  /** The key set that the token was verified with. With another set it is verified again: its key may be gone. */
  readonly keys: KeySet;
}

type Issuers = ReadonlyMap<string, TrustedIssuer>;

/**
 * Verifies JWTs of these issuers: access tokens and ID tokens of OpenID providers, and other tokens of the same form.
 */
export function jwtAuthentication(options: JwtOptions): JwtAuthentication {
  const { issuers, now = Date.now, onWarning = () => {}, maxStale = HOUR, timeout = TIMEOUT } = options;
  const { allowHttp, fetch } = options;
  const table = issuerTable({ issuers, now, onWarning, maxStale, timeout, allowHttp, fetch });
  // By hash, so that no token is kept in memory.
  const remembered = new LRUCache<string, Verified>({ max: MAX_REMEMBERED });
  // Tokens that were verified once. A token is remembered from its second use: many are used only once.
  const seen = recentKeys(MAX_REMEMBERED);

  function recall(key: string, present: Issuers): Identity | undefined {
    const known = remembered.get(key);
    if (!known) return undefined;
    const { identity, trusted, keys } = known;
    const isOfPresentKeys = present.get(identity.issuer) === trusted && trusted.keys.current() === keys;
    if (isOfPresentKeys && identity.expiresAt > now() / 1000) return identity;
    remembered.delete(key);
    return undefined;
  }

  async function authenticateNew(token: string, key: string, present: Issuers): Promise<Identity> {
    const verified = await verify(token, present, now);
    // Verifying may have waited for keys, and the issuer's entry may have changed meanwhile.
    if (table.current().get(verified.identity.issuer) !== verified.trusted) throw issuersChanged();
    if (seen.use(key) >= 0) {
      remembered.set(key, verified);
      keepDerivedUser(verified.identity);
    }
    return verified.identity;
  }

  return {
    authenticateToken(token) {
      // A JWT has dots, an API key has none.
      if (!token.includes(".")) return null;
      const present = table.current();
      const key = hash("sha256", token, "base64");
      return recall(key, present) ?? authenticateNew(token, key, present);
    },
    async warmUp() {
      await Promise.all(table.rows().map(({ keys }) => keys.warmUp()));
    },
    keyAges() {
      return table.rows().flatMap(({ issuer, keys }) => {
        const age = keys.age();
        return age === undefined ? [] : [{ issuer, seconds: Math.max(0, age / 1000) }];
      });
    },
    close: table.close,
  };
}

const issuersChanged = () =>
  new IssuerUnavailableError("the trusted issuers changed while the token was verified; try again");

/** @param now milliseconds since the epoch; read again after keys were fetched */
async function verify(token: string, present: Issuers, now: () => number): Promise<Verified> {
  const peeked = peek(token, now() / 1000);
  const { issuer, header } = peeked;
  // The issuer decides which keys are looked up: they are valid for its own tokens only.
  const trusted = present.get(issuer);
  if (!trusted) throw unknownIssuer(issuer, present.keys());
  checkAlgorithm(header.alg, trusted.algorithms ?? ALGORITHMS);
  const { claims, set } = await verifyWithKeys(token, peeked, trusted, now);
  checkAudience(claims, trusted);
  const { subject, expiresAt } = checkClaims(claims, now() / 1000);
  const { method } = trusted;
  return {
    identity: Object.freeze({ method, issuer, subject, claims: Object.freeze(claims), expiresAt }),
    trusted,
    keys: set,
  };
}

/**
 * Verifies with the issuer's keys. A token that does not name its key is tried again with newer keys: the issuer may
 * have replaced the one that signed it.
 */
async function verifyWithKeys(
  token: string,
  peeked: Peeked,
  { keys, tenants }: TrustedIssuer,
  now: () => number,
): Promise<{ claims: JWTPayload; set: KeySet }> {
  const { issuer, header } = peeked;
  const sharedBy = tenants && issuer;
  const { candidates, set } = await keys.find(header, sharedBy);
  try {
    return { claims: await verifySignature(token, peeked, candidates.keys, now()), set };
  } catch (error) {
    if (candidates.named || !isBadSignature(error)) throw error;
    const newer = await keys.find(header, sharedBy, set).catch((failure: unknown) => {
      throw failure instanceof UnauthorizedError ? error : failure;
    });
    return { claims: await verifySignature(token, peeked, newer.candidates.keys, now()), set: newer.set };
  }
}

const isBadSignature = (error: unknown) =>
  error instanceof UnauthorizedError && error.reason === "bad_signature";
