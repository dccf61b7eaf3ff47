import { z } from "@hono/zod-openapi";

const subjects = z.array(z.string()).readonly();
const rules = z.object({ allow: subjects.optional(), deny: subjects.optional() }).openapi("SubjectRules", {
  description: "`deny` wins over `allow`. An empty `allow` allows nothing, an absent one everything.",
});

/** The answer of `POST /creds` as JSON. Times in seconds since the epoch, except `server_time`. */
export const CredsResponseShape = z
  .object({
    jwt: z.string().openapi({ description: "The signed user JWT." }),
    seed: z
      .string()
      .optional()
      .openapi({ description: "The private key, only when the service made the key pair." }),
    user: z.string().openapi({ description: "Whom it is for.", example: "alice" }),
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
      description: "Milliseconds since the epoch: a client works out its own clock's error from it.",
    }),
    servers: z.array(z.string()).openapi({
      description: "The URLs that this role can use.",
      example: ["ws://127.0.0.1:9222"],
    }),
    inbox_prefix: z.string().openapi({
      description: "To be set as the client's `inboxPrefix`, or replies are denied.",
      example: "_INBOX_alice",
    }),
    permissions: z
      .object({
        pub: rules.optional(),
        sub: rules.optional(),
        resp: z
          .object({ max: z.number(), ttl: z.number() })
          .optional()
          .openapi({ description: "Right to answer: `max` messages within `ttl` nanoseconds." }),
      })
      .openapi({ description: "What the server will allow, in clear; what is absent is not restricted." }),
  })
  .openapi("Creds");

/** The answer as JSON. Times in seconds since the epoch, except `server_time`. */
export type CredsResponse = Exact<z.infer<typeof CredsResponseShape>>;

/** JSON has no undefined: what is optional is there or it isn't. */
type Exact<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };
