import { z } from "@hono/zod-openapi";
import type { Credentials } from "../../core/mint.ts";
import { type Servers, serversFor } from "./servers.ts";

const subjects = z.array(z.string()).readonly();
const rules = z.object({ allow: subjects.optional(), deny: subjects.optional() }).openapi("SubjectRules", {
  description: "`deny` wins over `allow`. An empty `allow` allows nothing, an absent one everything.",
});

/** The schema of the JSON response of `POST /creds`. */
export const CredsResponseShape = z
  .object({
    jwt: z.string().openapi({ description: "The signed user JWT." }),
    seed: z
      .string()
      .optional()
      .openapi({ description: "The private key, only when the service made the key pair." }),
    user: z.string().openapi({ description: "The user that the credential is for.", example: "alice" }),
    role: z.string().openapi({ example: "browser" }),
    tags: z
      .record(z.string(), z.string())
      .readonly()
      .optional()
      .openapi({ example: { room: "lobby" } }),
    account: z.string().openapi({ description: "The account's public key." }),
    issued_at: z.number().openapi({ type: "integer", description: "Seconds since the epoch." }),
    expires_at: z.number().openapi({ type: "integer", description: "Seconds since the epoch." }),
    server_time: z.number().openapi({
      type: "integer",
      description: "Milliseconds since the epoch. A client computes the error of its own clock from it.",
    }),
    servers: z.array(z.string()).openapi({
      description: "The URLs that this role can use.",
      example: ["ws://127.0.0.1:9222"],
    }),
    inbox_prefix: z.string().optional().openapi({
      description:
        "Must be set as the client's `inboxPrefix`; otherwise replies are denied. Absent if the role permits no inbox, so that its users can't receive replies.",
      example: "_INBOX_alice",
    }),
    permissions: z
      .object({
        pub: rules.optional(),
        sub: rules.optional(),
        resp: z.object({ max: z.number(), ttl: z.number() }).optional().openapi({
          description:
            "Permission to publish `max` responses to a received request within `ttl` nanoseconds.",
        }),
      })
      .openapi({
        description:
          "The permissions that the server enforces, without templates. An absent part is not restricted.",
      }),
  })
  .openapi("Creds");

/** The JSON response of `POST /creds`. Times in seconds since the epoch, except `server_time` in milliseconds. */
export type CredsResponse = Exact<z.infer<typeof CredsResponseShape>>;

/** JSON has no undefined: an optional field has a value or is absent. */
type Exact<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** The response with these credentials, made now. */
export function toCredsResponse(credentials: Credentials, servers: Servers): CredsResponse {
  const { jwt, seed, user, role, tags, account, issuedAt, expiresAt, inboxPrefix } = credentials;
  return {
    jwt,
    ...(seed !== undefined && { seed }),
    user,
    role,
    ...(Object.keys(tags).length > 0 && { tags }),
    account,
    issued_at: issuedAt,
    expires_at: expiresAt,
    server_time: Date.now(),
    servers: serversFor(credentials.connectionTypes, servers),
    ...(inboxPrefix !== undefined && { inbox_prefix: inboxPrefix }),
    permissions: credentials.permissions,
  };
}
