import { type RouteConfig, z } from "@hono/zod-openapi";
import { INTERNAL, PROBLEMS, type ProblemCode } from "../edge/problems.ts";

/** Parts of the OpenAPI document that every route's operation is made of. */

/** A route's part of the document. */
export interface Operation extends Omit<RouteConfig, "method" | "path"> {
  /** Whether the caller has to prove its identity. */
  readonly authenticated?: boolean;
}

const text = (description: string, required = false) => ({
  description,
  required,
  schema: { type: "string" } as const,
});

export const REQUEST_ID = { "X-Request-Id": text("Names this request in the service's log.", true) };
export const RATE_LIMIT = {
  RateLimit: text("What is left of the limit, and for how long."),
  "RateLimit-Policy": text("The limit."),
};
const HEADERS: Readonly<Record<number, Record<string, ReturnType<typeof text>>>> = {
  401: { "WWW-Authenticate": text("`Bearer`, and what is wrong with the token, if there was one.") },
  429: { "Retry-After": text("Seconds after which a retry makes sense.", true), ...RATE_LIMIT },
  503: { "Retry-After": text("Seconds after which a retry makes sense.", true) },
};

export function jsonResponse(description: string, schema: z.ZodType) {
  return { description, headers: REQUEST_ID, content: { "application/json": { schema } } };
}

/** One response for each status that one of these codes has, with the codes that it may carry. */
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
    detail: z.string().openapi({ description: "For people; it may change." }),
    code: z
      .enum(codes as [ProblemCode, ...ProblemCode[]])
      .openapi({ description: "What went wrong. It doesn't change." }),
  });
  return {
    description: codes.map((code) => (PROBLEMS[code] ?? INTERNAL).title).join("; "),
    headers: { ...REQUEST_ID, ...HEADERS[status] },
    content: { "application/problem+json": { schema } },
  };
}
