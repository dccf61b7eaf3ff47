import { timingSafeEqual } from "node:crypto";
import { API_KEY_START, type ApiKey, apiKeyId, hashApiKey } from "../core/api-key/key.ts";
import { InvalidRequestError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Authorizer, TokenAuthenticator } from "../core/identity.ts";
import { parseSubjectToken } from "../core/subject-token.ts";

/** The `issuer` of these identities is this prefix and the key's id. It can't be equal to an OpenID issuer's URL. */
const ISSUER = "api-key:";

export interface ApiKeyOptions {
  /** Returns the current keys. Called at each request. */
  readonly keys: () => readonly ApiKey[];
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
}

/** Compared with when no key has the id, so that an unknown id takes as long to refuse as a wrong secret. */
const NO_HASH = `sha256:${"0".repeat(64)}`;

/**
 * API keys, for backends that request credentials on behalf of their users: with a key any user may be requested,
 * within the key's roles. `authenticateToken` returns null for a token that is not an API key, and throws
 * `UnauthorizedError` for a key that is not valid and `InvalidRequestError` for a request without `user`.
 */
export function apiKeyAuthentication({ keys, now = Date.now }: ApiKeyOptions): {
  readonly authenticateToken: TokenAuthenticator;
  readonly grant: Authorizer;
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
      // `timingSafeEqual` needs equal lengths, which hashes have.
      const isSame = timingSafeEqual(Buffer.from(hashApiKey(token)), Buffer.from(key?.hash ?? NO_HASH));
      if (!key || !isSame) throw unknownKey();
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
        throw new InvalidRequestError("role: is required, since this API key is for several roles");
      }
      const role = requestedRole ?? only;
      if (role === undefined || !key.roles.includes(role)) throw new RoleNotAllowedError();
      return { role, user: parseSubjectToken(subject), tags, ttl };
    },
  };
}

/** One message for an unknown id, a wrong secret and an expired key, so that ids can't be found by guessing. */
const unknownKey = () => new UnauthorizedError("the API key is unknown or has expired", "unknown_api_key");
