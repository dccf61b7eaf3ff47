import { timingSafeEqual } from "node:crypto";
import { API_KEY_START, type ApiKey, apiKeyId, hashApiKey } from "../core/api-key/key.ts";
import { InvalidRequestError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Policy, TokenAuthenticator } from "../core/identity.ts";
import { parseSubjectToken } from "../core/subject-token.ts";

/** The `issuer` of these identities is this and the key's id. It differs from every URL. */
const ISSUER = "api-key:";

export interface ApiKeyOptions {
  /** The present keys. */
  readonly keys: () => readonly ApiKey[];
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
}

/** Compared with when no key has the id, so that an unknown id takes as long as a wrong secret. */
const NO_HASH = `sha256:${"0".repeat(64)}`;

/**
 * API keys, for backends that request credentials on behalf of their users: a key may name any user, within its roles.
 * `authenticateToken` returns null for a token that is not an API key.
 */
export function apiKeyAuthentication({ keys, now = Date.now }: ApiKeyOptions): {
  readonly authenticateToken: TokenAuthenticator;
  readonly grant: Policy;
} {
  function validKey(id: string): ApiKey | undefined {
    const key = keys().find((key) => key.id === id);
    return key && (key.expiresAt ?? Infinity) > now() / 1000 ? key : undefined;
  }

  return {
    authenticateToken(token, { user }) {
      if (!token.startsWith(API_KEY_START)) return null;
      const id = apiKeyId(token);
      if (id === undefined) throw new UnauthorizedError("the API key is incomplete or mistyped", "malformed");
      const key = validKey(id);
      // Both have the same length: a prefix and a hash.
      const isRight = timingSafeEqual(Buffer.from(hashApiKey(token)), Buffer.from(key?.hash ?? NO_HASH));
      if (!key || !isRight) throw unknownKey();
      if (user === undefined) {
        throw new InvalidRequestError("user: is required, since an API key can be for any user");
      }
      return {
        method: "api-key",
        issuer: `${ISSUER}${id}`,
        subject: user,
        claims: {},
        expiresAt: key.expiresAt,
      };
    },
    grant({ issuer, subject }, { role: requestedRole, tags, ttl }) {
      const key = validKey(issuer.slice(ISSUER.length));
      if (!key) throw unknownKey();
      const [only, ...others] = key.roles;
      if (requestedRole === undefined && others.length > 0) {
        throw new InvalidRequestError("role: is required, since this API key is for several");
      }
      const role = requestedRole ?? only;
      if (role === undefined || !key.roles.includes(role)) throw new RoleNotAllowedError();
      return { role, user: parseSubjectToken(subject), tags, ttl };
    },
  };
}

/** One message for all of it, so that ids can't be found by guessing. */
const unknownKey = () => new UnauthorizedError("the API key is not known, or has ended", "unknown_api_key");
