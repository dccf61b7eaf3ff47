import { UnauthorizedError } from "../core/errors.ts";

/** More than the longest usual access token. A longer one is refused unread. */
const MAX_TOKEN_BYTES = 8 * 1024;

/** RFC 7235, section 2.1: a scheme is not case-sensitive. */
const BEARER = /^bearer(?![^ \t,])/i;
/** RFC 6750, section 2.1: one space, and the token in these characters. */
const CREDENTIALS = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The token of `Authorization: Bearer …`, which may be a JWT or an API key. Undefined when there is no such header, or
 * it has another scheme. A token in the URL, a cookie or the body is not read: it would get into logs and histories.
 * @throws {UnauthorizedError} `malformed` when it is not one token, `too_large` when it is longer than 8 KiB
 */
export function bearerToken(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  if (header === null || !BEARER.test(header)) return undefined;
  const length = header.length - "Bearer ".length;
  if (length > MAX_TOKEN_BYTES) {
    throw new UnauthorizedError(
      `the token has ${length} bytes, and at most ${MAX_TOKEN_BYTES} are accepted: it may list too many groups`,
      "too_large",
    );
  }
  const token = CREDENTIALS.exec(header)?.[1];
  if (token === undefined) {
    throw new UnauthorizedError(
      "the Authorization header must be Bearer, one space and one token",
      "malformed",
    );
  }
  return token;
}
