import { z } from "zod";
import { InvalidRequestError } from "../core/errors.ts";
import type { Asked } from "../core/identity.ts";
import { parseLifetime } from "../core/lifetime.ts";
import { parseUserPublicKey, type UserPublicKey } from "../core/nkey.ts";
import { quote } from "../core/quote.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { parseTags } from "../core/tags.ts";

/** The shape of a request; what the values may be is for the parsers in `core` to say. */
const shape = z.strictObject({
  user: z.string().optional(),
  public_key: z.string().optional(),
  role: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  ttl: z.number().optional(),
});

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
  const parsed = shape.safeParse(json);
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
  const [field, name] = issue?.path ?? [];
  const where =
    field === undefined
      ? "the body"
      : name === undefined
        ? `${String(field)}`
        : `${String(field)}.${quote(String(name))}`;
  return issue?.code === "invalid_type"
    ? `${where}: must be ${wanted(issue.expected)}`
    : `${where}: is not valid`;
}

const wanted = (type: string) => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`);
