import { MintError, UnauthorizedError } from "../../core/errors.ts";
import { type AnyMintError, MethodNotAllowedError } from "../errors.ts";

/** Errors as problem details (RFC 9457). This is the only place that assigns statuses to errors. */

/** The status, title and further headers of a problem response. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type ProblemCode = AnyMintError["code"] | "internal_error";

/** The response is sent before the whole body has arrived, so the connection can't be used again. */
const CLOSE = { Connection: "close" };

/** Null for an error that the caller didn't cause: the response is a 500 without details. */
export const PROBLEMS: Readonly<Record<ProblemCode, Problem | null>> = {
  invalid_json: { status: 400, title: "The body is not JSON" },
  invalid_request: { status: 400, title: "The request has the wrong shape" },
  unauthorized: { status: 401, title: "The caller's identity could not be established" },
  token_expiring: { status: 401, title: "The token is about to expire" },
  token_expired: { status: 401, title: "The token has expired" },
  host_not_allowed: { status: 403, title: "The host name is not allowed" },
  origin_not_allowed: { status: 403, title: "The page's origin is not allowed" },
  role_not_allowed: { status: 403, title: "The role is not allowed" },
  user_not_allowed: { status: 403, title: "The user is not allowed" },
  tag_not_allowed: { status: 403, title: "A tag is not allowed" },
  not_found: { status: 404, title: "There is nothing here" },
  method_not_allowed: { status: 405, title: "The method is not allowed" },
  not_acceptable: { status: 406, title: "The requested format is not available" },
  request_timeout: { status: 408, title: "The request took too long", headers: CLOSE },
  body_too_large: { status: 413, title: "The body is too large", headers: CLOSE },
  unsupported_media_type: { status: 415, title: "The body is of the wrong type", headers: CLOSE },
  invalid_user: { status: 422, title: "The user name is not valid" },
  invalid_public_key: { status: 422, title: "The public key is not valid" },
  invalid_tag: { status: 422, title: "A tag is not valid" },
  invalid_ttl: { status: 422, title: "The lifetime is not valid" },
  rate_limited: { status: 429, title: "Too many requests" },
  overloaded: { status: 503, title: "The service is overloaded" },
  issuer_unavailable: { status: 503, title: "The issuer of the token can't be reached" },
  keys_unavailable: { status: 503, title: "There are no keys yet" },
  body_used: { status: 500, title: "The body was read before it reached the mint" },
  invalid_keys: null,
  invalid_policy: null,
  invalid_api_keys: null,
  invalid_config: null,
  internal_error: null,
};

/** The problem of every error that the caller didn't cause. */
export const INTERNAL: Problem = { status: 500, title: "Something went wrong" };

/** The problem for an error's response; null for an error that the caller didn't cause. */
export function problemOf(error: Error): Problem | null {
  // An application may throw a MintError of its own, with a code that isn't in the table.
  const isListed = error instanceof MintError && Object.hasOwn(PROBLEMS, error.code);
  return isListed ? PROBLEMS[error.code as ProblemCode] : null;
}

/**
 * Makes the response to any error.
 * @param report receives an error that the caller didn't cause; the response has no details of it
 */
export function problems(
  report: (error: unknown) => void,
  { bearerChallenge }: { readonly bearerChallenge: boolean },
): (error: Error) => Response {
  return (error) => {
    const known = problemOf(error) ? (error as MintError) : undefined;
    if (!known) report(error);
    const { status, title, headers } = problemOf(error) ?? INTERNAL;
    const code = known?.code ?? "internal_error";
    const detail = known?.message ?? "the service has logged the cause";
    const body = { type: `urn:nats-mint:problem:${code}`, title, status, detail, code };
    const response = new Response(JSON.stringify(body), {
      status,
      headers: { "Content-Type": "application/problem+json", ...headers },
    });
    const set = (name: string, value: string) => response.headers.set(name, value);
    if (error instanceof UnauthorizedError && bearerChallenge) set("WWW-Authenticate", challenge(error));
    if (error instanceof MethodNotAllowedError) set("Allow", error.allow.join(", "));
    if (known?.retryAfter !== undefined) set("Retry-After", String(known.retryAfter));
    return response;
  };
}

/** RFC 6750, section 3: a request without a token gets no error code. */
function challenge({ reason, message }: UnauthorizedError): string {
  if (reason === "no_proof") return "Bearer";
  // The characters that the same section permits between the quotes.
  const description = message.replaceAll('"', "'").replace(/[^ !#-[\]-~]/g, "?");
  return `Bearer error="invalid_token", error_description="${description}"`;
}
