import { z } from "@hono/zod-openapi";
import { type Operation, problemResponses, RATE_LIMIT, REQUEST_ID } from "../docs/operation.ts";
import { PROBLEMS, type ProblemCode } from "../edge/problems.ts";
import { CredsRequestShape } from "./request.ts";
import { CredsResponseShape } from "./response.ts";

/** Codes only of preflights, other paths and other methods: `POST /creds` never responds with them. */
const ELSEWHERE: readonly string[] = ["not_found", "method_not_allowed", "origin_not_allowed"];

/** The description of `POST /creds` in the OpenAPI document. */
export function describeCreds(): Operation {
  const codes = (Object.keys(PROBLEMS) as ProblemCode[]).filter(
    (code) => code === "internal_error" || (PROBLEMS[code] && !ELSEWHERE.includes(code)),
  );
  const credsFile = z.string().openapi({ description: "The user JWT and the seed, as a creds file." });
  return {
    operationId: "createCreds",
    summary: "Get a credential",
    description:
      "Authenticates the caller, decides what it is granted, and signs the credential. With `Accept: application/x-nats-creds` or `text/plain` the response is a creds file, which NATS clients read.",
    authenticated: true,
    request: {
      body: { required: true, content: { "application/json": { schema: CredsRequestShape } } },
    },
    responses: {
      200: {
        description: "A credential",
        headers: { ...REQUEST_ID, ...RATE_LIMIT },
        content: {
          "application/json": { schema: CredsResponseShape },
          "application/x-nats-creds": { schema: credsFile },
          "text/plain": { schema: credsFile },
        },
      },
      ...problemResponses(codes),
    },
  };
}
