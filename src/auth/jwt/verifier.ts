import { hash } from "node:crypto";
import { jwtVerify } from "jose";
import { LRUCache } from "lru-cache";
import { IssuerUnavailableError } from "../../core/errors.ts";
import type { Authenticator, Identity } from "../../core/identity.ts";
import { ALGORITHMS, type OidcIssuer } from "../../core/policy/issuer.ts";
import { bearerToken } from "../bearer.ts";
import { type IssuerKeys, issuerKeys, type KeySet } from "./key-set.ts";
import { CLOCK_SKEW, checkClaims, expired, readIssuer, unauthorized, unknownIssuer } from "./token.ts";

export interface OidcOptions {
  /**
   * The issuers, each once. Asked for each request; a change is a new list. An entry that is different in it, or gone,
   * takes its keys and its remembered tokens with it.
   */
  readonly issuers: () => readonly OidcIssuer[];
  /** Milliseconds since the epoch; the system's clock unless a test brings its own. */
  readonly now?: () => number;
  /** Told once when an issuer's keys can no longer be fetched, and why. */
  readonly onWarning?: (message: string) => void;
  /** Milliseconds that an issuer's keys stay in use when they can't be fetched again; an hour by default. */
  readonly maxStale?: number;
  /** Milliseconds that an issuer has to answer; 5000 by default. */
  readonly timeout?: number;
}

export interface OidcAuthentication {
  /**
   * Null for a request without a Bearer token that could be a JWT.
   * @throws {UnauthorizedError} for one that is not valid; `reason` says why
   * @throws {IssuerUnavailableError} when the issuer's keys are needed and can't be fetched
   */
  readonly authenticate: Authenticator;
  /**
   * Fetches the keys that are missing or older than ten minutes, so that no request has to wait for it. Never rejects.
   * May be called again and again: a service that nobody asks for an hour otherwise has no keys young enough.
   */
  warmUp(): Promise<void>;
  /** For each issuer with keys, how long ago they were fetched. */
  keyAges(): readonly { readonly issuer: string; readonly seconds: number }[];
  /** Gives up what is being fetched. */
  close(): void;
}

/** Tokens that are remembered; of more, those that came longest ago are checked again. */
export const MAX_REMEMBERED = 10_000;
const HOUR = 3_600_000;

interface TrustedIssuer extends OidcIssuer {
  /** The entry it was made of. */
  readonly entry: string;
  readonly keys: IssuerKeys;
}

interface Remembered {
  readonly identity: Identity & { readonly expiresAt: number };
  readonly by: TrustedIssuer;
  /** The keys at that time. Tokens are checked again when others come, since theirs may be the one that went. */
  readonly keys: KeySet | undefined;
}

const policyChanged = () =>
  new IssuerUnavailableError("whom to believe was changed while the token was checked; try again");

/** Believes the access tokens and ID tokens of OpenID providers. */
export function oidcAuthentication(options: OidcOptions): OidcAuthentication {
  const { issuers, now = Date.now, onWarning = () => {}, maxStale = HOUR, timeout } = options;
  const seconds = () => now() / 1000;
  const remembered = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });
  let list: readonly OidcIssuer[] | undefined;
  let trusted: ReadonlyMap<string, TrustedIssuer> = new Map();
  let isClosed = false;

  function trustedIssuers(): ReadonlyMap<string, TrustedIssuer> {
    const next = issuers();
    if (next === list || isClosed) return trusted;
    const before = trusted;
    trusted = new Map(next.map((issuer) => [issuer.issuer, trust(issuer, before.get(issuer.issuer))]));
    list = next;
    for (const issuer of before.values()) {
      if (trusted.get(issuer.issuer) !== issuer) issuer.keys.close();
    }
    return trusted;
  }

  function trust(issuer: OidcIssuer, before: TrustedIssuer | undefined): TrustedIssuer {
    const entry = JSON.stringify(issuer);
    if (before?.entry === entry) return before;
    return {
      ...issuer,
      entry,
      keys: issuerKeys({ ...issuer, now, onWarning, maxStale, ...(timeout !== undefined && { timeout }) }),
    };
  }

  function recall(name: string, present: ReadonlyMap<string, TrustedIssuer>): Identity | undefined {
    const known = remembered.get(name);
    if (!known) return undefined;
    const { identity, by, keys } = known;
    if (present.get(identity.issuer) === by && by.keys.current() === keys) {
      if (identity.expiresAt > seconds()) return identity;
      remembered.delete(name);
      throw expired();
    }
    remembered.delete(name);
    return undefined;
  }

  async function verify(token: string, present: ReadonlyMap<string, TrustedIssuer>): Promise<Remembered> {
    const issuer = readIssuer(token, seconds());
    // Before any key is looked for: each issuer's keys are good for its own tokens only.
    const by = present.get(issuer);
    if (!by) throw unknownIssuer();
    try {
      const { payload, keys } = await verifySignature(token, by);
      const { subject, expiresAt } = checkClaims(payload, seconds());
      return {
        identity: Object.freeze({ issuer, subject, claims: Object.freeze(payload), expiresAt }),
        by,
        keys,
      };
    } catch (error) {
      throw unauthorized(error);
    }
  }

  async function verifySignature(
    token: string,
    { issuer, audience, algorithms = ALGORITHMS, keys }: TrustedIssuer,
  ) {
    let used: KeySet | undefined;
    const { payload } = await jwtVerify(
      token,
      async (header) => {
        const { key, set } = await keys.find(header);
        used = set;
        return key;
      },
      {
        issuer,
        // Callers without types may give one as text; its letters are no audiences.
        audience: [audience].flat(),
        algorithms: [...algorithms],
        requiredClaims: ["iss", "aud", "sub", "exp"],
        clockTolerance: CLOCK_SKEW,
        currentDate: new Date(now()),
      },
    );
    return { payload, keys: used };
  }

  return {
    async authenticate(request) {
      const token = bearerToken(request);
      // A JWT has dots, an API key has none.
      if (!token?.includes(".")) return null;
      const present = trustedIssuers();
      // Hashed, so that tokens are not kept.
      const name = hash("sha256", token, "base64");
      const known = recall(name, present);
      if (known) return known;
      const verified = await verify(token, present);
      // It may have taken a while, and the issuer may be trusted no longer, or otherwise.
      if (trustedIssuers().get(verified.identity.issuer) !== verified.by) throw policyChanged();
      remembered.set(name, verified);
      return verified.identity;
    },
    async warmUp() {
      await Promise.all([...trustedIssuers().values()].map(({ keys }) => keys.warmUp()));
    },
    keyAges() {
      return [...trustedIssuers().values()].flatMap(({ issuer, keys }) => {
        const age = keys.age();
        return age === undefined ? [] : [{ issuer, seconds: Math.max(0, age / 1000) }];
      });
    },
    close() {
      isClosed = true;
      for (const { keys } of trusted.values()) keys.close();
    },
  };
}
