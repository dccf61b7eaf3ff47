import { timingSafeEqual } from "node:crypto";
import { API_KEY_START, type ApiKey, apiKeyId, hashApiKey } from "../core/api-key/key.ts";
import { InvalidRequestError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Authenticator, Policy } from "../core/identity.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { bearerToken } from "./bearer.ts";

/** The `issuer` of identities that an API key vouches for begins with this, and the key's id follows. No URL does. */
const ISSUER = "api-key:";

/** Whether an API key vouched for the identity. */
export const isApiKeyIssuer = (issuer: string): boolean => issuer.startsWith(ISSUER);

export interface ApiKeyOptions {
  /** The present keys. */
  readonly keys: () => readonly ApiKey[];
  /** Milliseconds since the epoch; the system's clock unless a test brings its own. */
  readonly now?: () => number;
}

/** Compared with when there is no key of that id, so that an unknown id takes as long as a wrong secret. */
const NOBODYS_HASH = `sha256:${"0".repeat(64)}`;

/**
 * API keys, for backends that ask on behalf of their users: a key may name any user, within its roles. Null for a
 * caller without an API key.
 */
export function apiKeyAuthentication({ keys, now = Date.now }: ApiKeyOptions): {
  authenticate: Authenticator;
  grant: Policy;
} {
  function known(id: string): ApiKey | undefined {
    const key = keys().find((key) => key.id === id);
    return key && (key.expiresAt ?? Infinity) > now() / 1000 ? key : undefined;
  }

  return {
    authenticate(request, { user }) {
      const token = bearerToken(request);
      if (!token?.startsWith(API_KEY_START)) return null;
      const id = apiKeyId(token);
      if (id === undefined) throw new UnauthorizedError("the API key is incomplete or mistyped", "malformed");
      const key = known(id);
      // Both of one length: hashes, behind the same word.
      const isRight = timingSafeEqual(Buffer.from(hashApiKey(token)), Buffer.from(key?.hash ?? NOBODYS_HASH));
      if (!key || !isRight) throw unknownKey();
      if (user === undefined) {
        throw new InvalidRequestError("user: is required, since an API key can be for any user");
      }
      return {
        issuer: `${ISSUER}${id}`,
        subject: user,
        claims: {},
        ...(key.expiresAt !== undefined && { expiresAt: key.expiresAt }),
      };
    },
    grant({ issuer, subject }, { role: asked, tags, ttl }) {
      const key = known(issuer.slice(ISSUER.length));
      if (!key) throw unknownKey();
      const [only, ...others] = key.roles;
      if (asked === undefined && others.length > 0) {
        throw new InvalidRequestError("role: is required, since this API key is for several");
      }
      const role = asked ?? only;
      if (role === undefined || !key.roles.includes(role)) throw new RoleNotAllowedError();
      return { role, user: parseSubjectToken(subject), ...(tags && { tags }), ...(ttl && { ttl }) };
    },
  };
}

/** One message for all of it: which ids there are is nobody's business. */
const unknownKey = () => new UnauthorizedError("the API key is not known, or has ended", "unknown_api_key");
