import { z } from "@hono/zod-openapi";
import { InvalidRequestError } from "../core/errors.ts";
import type { Asked } from "../core/identity.ts";
import { MIN_LIFETIME, parseLifetime } from "../core/lifetime.ts";
import { showPlace } from "../core/mistakes.ts";
import { parseUserPublicKey, type UserPublicKey } from "../core/nkey.ts";
import { quote } from "../core/quote.ts";
import { parseSubjectToken, SUBJECT_TOKEN } from "../core/subject-token.ts";
import { MAX_TAGS, parseTags, TAG_NAME } from "../core/tags.ts";

const token = { pattern: SUBJECT_TOKEN.source };

/**
 * The shape of a request, and for the document what the values may be; to refuse a wrong value, and to say why, is for
 * the parsers in `core`.
 */
export const CredsRequestShape = z
  .strictObject({
    user: z
      .string()
      .optional()
      .openapi({ ...token, description: "Whom the credential is for: one subject token.", example: "alice" }),
    public_key: z.string().optional().openapi({
      // The checksum in it is more than a pattern can say.
      format: "nats-user-public-key",
      pattern: "^U[A-Z2-7]{55}$",
      description:
        "The public half of the client's user nkey. Without it the service makes a pair and answers with the `seed`.",
    }),
    role: z.string().optional().openapi({
      description: "The role; without it, the one that the caller gets by default.",
      example: "browser",
    }),
    tags: z
      .record(z.string(), z.string())
      .optional()
      .openapi({
        // New in 3.1, and not yet in the library's types.
        ...({ propertyNames: { pattern: TAG_NAME.source } } as object),
        additionalProperties: { type: "string", ...token },
        maxProperties: MAX_TAGS,
        description: "Values for roles that say `{{tag(name)}}` in a permission.",
        example: { room: "lobby" },
      }),
    ttl: z.number().optional().openapi({
      type: "integer",
      minimum: MIN_LIFETIME,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Seconds to live. Never longer than the role's, or than what is left of the caller's proof.",
      example: 60,
    }),
  })
  .openapi("CredsRequest");

/** What a caller of `POST /creds` asks for. */
export interface CredsRequest {
  readonly asked: Asked;
  /** The caller's own key; without it the service makes a pair. */
  readonly publicKey: UserPublicKey | undefined;
}

/**
 * Reads a request out of JSON.
 * @throws {InvalidRequestError} for a wrong shape or an unknown field
 * @throws {InvalidUserError} {InvalidPublicKeyError} {InvalidTagError} {InvalidLifetimeError} for a wrong value
 */
export function parseCredsRequest(json: unknown): CredsRequest {
  const parsed = CredsRequestShape.safeParse(json);
  if (!parsed.success) throw new InvalidRequestError(describe(parsed.error));
  const { user, public_key, role, ttl } = parsed.data;
  // Not zod's copy: it leaves out a tag named `__proto__` without a word.
  const { tags } = json as { tags?: Record<string, string> };
  return {
    asked: {
      ...(user !== undefined && { user: parseSubjectToken(user) }),
      ...(role !== undefined && { role }),
      ...(tags !== undefined && { tags: parseTags(tags) }),
      ...(ttl !== undefined && { ttl: parseLifetime(ttl) }),
    },
    publicKey: public_key === undefined ? undefined : parseUserPublicKey(public_key),
  };
}

/** One sentence about the first thing wrong, naming the field but not what stood in it. */
function describe({ issues: [issue] }: z.ZodError): string {
  if (issue?.code === "unrecognized_keys") return `unknown field ${quote(issue.keys[0] ?? "")}`;
  const where = issue?.path.length ? showPlace(issue.path) : "the body";
  return issue?.code === "invalid_type"
    ? `${where}: must be ${wanted(issue.expected)}`
    : `${where}: is not valid`;
}

const wanted = (type: string) => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);
