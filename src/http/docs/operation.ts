import { type RouteConfig, z } from "@hono/zod-openapi";
import { INTERNAL, PROBLEMS, type ProblemCode } from "../edge/problems.ts";

/** Parts of the OpenAPI document that every route's operation is made of. */

/** A route's part of the document. */
export interface Operation extends Omit<RouteConfig, "method" | "path"> {
  /** Whether a request needs a proof of identity. */
  readonly authenticated?: boolean;
}

const text = (description: string, required = false) => ({
  description,
  required,
  schema: { type: "string" } as const,
});

export const REQUEST_ID = { "X-Request-Id": text("The id of this request in the service's log.", true) };
export const RATE_LIMIT = {
  RateLimit: text("For each limit, the requests that are left and the seconds until the next one."),
  "RateLimit-Policy": text("The limits."),
};
const HEADERS: Readonly<Record<number, Record<string, ReturnType<typeof text>>>> = {
  401: { "WWW-Authenticate": text("`Bearer`, and what is wrong with the token, if the request has one.") },
  429: { "Retry-After": text("Seconds after which a retry may succeed.", true), ...RATE_LIMIT },
  503: { "Retry-After": text("Seconds after which a retry may succeed.", true) },
};

/** A response with a JSON body of this schema. */
export function jsonResponse(description: string, schema: z.ZodType) {
  return { description, headers: REQUEST_ID, content: { "application/json": { schema } } };
}

/** The problem responses with these codes: one for each status, with the codes that have it. */
export function problemResponses(codes: readonly ProblemCode[]) {
  const problemOf = (code: ProblemCode) => PROBLEMS[code] ?? INTERNAL;
  const statuses = [...new Set(codes.map((code) => problemOf(code).status))].sort((a, b) => a - b);
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      problemResponse(
        status,
        codes.filter((code) => problemOf(code).status === status),
      ),
    ]),
  );
}

function problemResponse(status: number, codes: readonly ProblemCode[]) {
  const schema = z.object({
    type: z.string().openapi({ format: "uri", example: `urn:nats-mint:problem:${codes[0]}` }),
    title: z.string(),
    status: z.literal(status),
    detail: z.string().openapi({ description: "A message for people. It may change." }),
    code: z
      .enum(codes as [ProblemCode, ...ProblemCode[]])
      .openapi({ description: "The kind of problem. It doesn't change." }),
  });
  return {
    description: codes.map((code) => (PROBLEMS[code] ?? INTERNAL).title).join("; "),
    headers: { ...REQUEST_ID, ...HEADERS[status] },
    content: { "application/problem+json": { schema } },
  };
}
