import { z } from "@hono/zod-openapi";
import { InvalidRequestError } from "../../core/errors.ts";
import type { Requested } from "../../core/identity.ts";
import { parseUserPublicKey, type UserPublicKey } from "../../core/keys/nkey.ts";
import { MIN_LIFETIME, parseLifetime } from "../../core/lifetime.ts";
import { parseSubjectToken, SUBJECT_TOKEN } from "../../core/subject-token.ts";
import { MAX_TAGS, parseTags, TAG_NAME } from "../../core/tags.ts";
import { quote } from "../../util/quote.ts";
import { showPlace } from "../../util/zod-issues.ts";

const token = { pattern: SUBJECT_TOKEN.source };

/**
 * The shape of a request. The patterns and limits are for the OpenAPI document only: the parsers in `core` check the
 * values, with better error messages.
 */
export const CredsRequestShape = z
  .strictObject({
    user: z
      .string()
      .optional()
      .openapi({
        ...token,
        description: "The user that the credential is for: one subject token.",
        example: "alice",
      }),
    public_key: z.string().optional().openapi({
      // A pattern can't express the checksum in it.
      format: "nats-user-public-key",
      pattern: "^U[A-Z2-7]{55}$",
      description:
        "The public half of the client's user nkey. Without it the service makes a key pair, and the response contains the `seed`.",
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
        description: "Values for roles with `{{tag(name)}}` in a permission.",
        example: { room: "lobby" },
      }),
    ttl: z.number().optional().openapi({
      type: "integer",
      minimum: MIN_LIFETIME,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "The requested lifetime in seconds. The role's and what is left of the caller's proof are further limits.",
      example: 60,
    }),
  })
  .openapi("CredsRequest");

/** The content of a request to `POST /creds`. */
export interface CredsRequest {
  readonly requested: Requested;
  /** The client's own public key; without it the service makes a key pair. */
  readonly publicKey: UserPublicKey | undefined;
}

/**
 * Reads a request out of JSON.
 * @throws {InvalidRequestError} for a wrong shape or an unknown field
 * @throws {InvalidUserError} {InvalidPublicKeyError} {InvalidTagError} {InvalidLifetimeError} for a wrong value
 */
export function parseCredsRequest(json: unknown): CredsRequest {
  const { user, public_key, role, tags, ttl } = hasShape(json);
  // A field that isn't requested must be absent, not undefined: applications write `{ ttl: 60, ...requested }`.
  const requested: { -readonly [Name in keyof Requested]: Requested[Name] } = {};
  if (user !== undefined) requested.user = parseSubjectToken(user);
  if (role !== undefined) requested.role = role;
  if (tags !== undefined) requested.tags = parseTags(tags);
  if (ttl !== undefined) requested.ttl = parseLifetime(ttl);
  return { requested, publicKey: public_key === undefined ? undefined : parseUserPublicKey(public_key) };
}

interface Shape {
  readonly user?: string;
  readonly public_key?: string;
  readonly role?: string;
  readonly tags?: Record<string, string>;
  readonly ttl?: number;
}

const USUAL = new Set(["user", "public_key", "role"]);

/** Whether the request has only the usual fields. The full check would take longer than parsing the JSON. */
function isUsual(json: unknown): json is Shape {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return false;
  for (const name in json) {
    if (!USUAL.has(name) || typeof (json as Record<string, unknown>)[name] !== "string") return false;
  }
  return true;
}

function hasShape(json: unknown): Shape {
  if (isUsual(json)) return json;
  const parsed = CredsRequestShape.safeParse(json);
  if (!parsed.success) throw new InvalidRequestError(describe(parsed.error));
  // Not zod's copy, which silently leaves out a tag named `__proto__`.
  return json as Shape;
}

/** One sentence about the first mistake, with the field's name but not its value. */
function describe({ issues: [issue] }: z.ZodError): string {
  if (issue?.code === "unrecognized_keys") return `unknown field ${quote(issue.keys[0] ?? "")}`;
  const where = issue?.path.length ? showPlace(issue.path) : "the body";
  return issue?.code === "invalid_type"
    ? `${where}: must be ${wanted(issue.expected)}`
    : `${where}: is not valid`;
}

const wanted = (type: string) => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);
