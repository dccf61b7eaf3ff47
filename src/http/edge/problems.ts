import type { ErrorHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, MethodNotAllowedError, MintError, UnauthorizedError } from "../../core/errors.ts";

/** Errors as problem details (RFC 9457). Here, and nowhere else, an error gets its status. */

export interface Problem {
  readonly status: ContentfulStatusCode;
  readonly title: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const PROBLEMS: Readonly<Partial<Record<ErrorCode, Problem>>> = {
  invalid_json: { status: 400, title: "The body is not JSON" },
  invalid_request: { status: 400, title: "The request has the wrong shape" },
  unauthorized: { status: 401, title: "Who is calling could not be established" },
  host_not_allowed: { status: 403, title: "The host name is not allowed" },
  origin_not_allowed: { status: 403, title: "The page's origin is not allowed" },
  role_not_allowed: { status: 403, title: "The role is not allowed" },
  user_not_allowed: { status: 403, title: "The user is not allowed" },
  tag_not_allowed: { status: 403, title: "A tag is not allowed" },
  not_found: { status: 404, title: "There is nothing here" },
  method_not_allowed: { status: 405, title: "The method is not allowed" },
  not_acceptable: { status: 406, title: "The wanted format can't be given" },
  // The rest of the body may be still to come: nobody is going to read it.
  request_timeout: { status: 408, title: "The request took too long", headers: { Connection: "close" } },
  body_too_large: { status: 413, title: "The body is too large", headers: { Connection: "close" } },
  unsupported_media_type: {
    status: 415,
    title: "The body is of the wrong type",
    headers: { Connection: "close" },
  },
  invalid_user: { status: 422, title: "The user name is not valid" },
  invalid_public_key: { status: 422, title: "The public key is not valid" },
  invalid_tag: { status: 422, title: "A tag is not valid" },
  invalid_ttl: { status: 422, title: "The lifetime is not valid" },
  rate_limited: { status: 429, title: "Too many requests" },
  overloaded: { status: 503, title: "The service is overloaded" },
  issuer_unavailable: { status: 503, title: "The issuer of the token can't be reached" },
  keys_unavailable: { status: 503, title: "There are no keys yet" },
};

export const INTERNAL: Problem = { status: 500, title: "Something went wrong" };

/** Answers any error; one that is not the caller's doing is reported, and nothing of it shown. */
export function problems(
  report: (error: unknown) => void,
  { bearerChallenge }: { readonly bearerChallenge: boolean },
): ErrorHandler {
  return (error, c) => {
    const known = error instanceof MintError ? PROBLEMS[error.code] : undefined;
    if (!known) report(error);
    const { status, title, headers } = known ?? INTERNAL;
    const code = known ? (error as MintError).code : "internal_error";
    const detail = known ? error.message : "the service has logged what it was";
    if (error instanceof UnauthorizedError && bearerChallenge) {
      c.header("WWW-Authenticate", challenge(error));
    }
    if (error instanceof MethodNotAllowedError) c.header("Allow", error.allow.join(", "));
    if (known && (error as MintError).retryAfter !== undefined) {
      c.header("Retry-After", String((error as MintError).retryAfter));
    }
    const body = { type: `urn:nats-mint:problem:${code}`, title, status, detail, code };
    return c.body(JSON.stringify(body), status, { "Content-Type": "application/problem+json", ...headers });
  };
}

/** RFC 6750, section 3: without a token there is nothing to say about it. */
function challenge({ reason, message }: UnauthorizedError): string {
  if (reason === "no_proof") return "Bearer";
  // What may stand between the quotes, by the same section.
  const description = message.replaceAll('"', "'").replace(/[^ !#-[\]-~]/g, "?");
  return `Bearer error="invalid_token", error_description="${description}"`;
}
