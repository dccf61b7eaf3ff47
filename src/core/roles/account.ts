import { z } from "zod";
import { InvalidKeysError } from "../errors.ts";
import { decodeJwt } from "../keys/jwt.ts";
import { type AccountPublicKey, asAccountPublicKey } from "../keys/nkey.ts";

/** The content of an account JWT: the account, and the permissions that each of its scoped signing keys can grant. */

const subjects = z.array(z.string()).readonly().nullish();
const rules = z.object({ allow: subjects, deny: subjects }).nullish();
const permissions = z.object({
  pub: rules,
  sub: rules,
  resp: z.object({ max: z.number(), ttl: z.number() }).nullish(),
});
const template = permissions.extend({ allowed_connection_types: z.array(z.string()).nullish() });
const publicKey = z.string().transform((text, context): AccountPublicKey => {
  const key = asAccountPublicKey(text);
  if (key) return key;
  context.addIssue("not an account's public key");
  return z.NEVER;
});
const scope = z.object({ kind: z.literal("user_scope"), key: publicKey, role: z.string(), template });

const claims = z.object({
  sub: publicKey,
  name: z.string().default(""),
  exp: z.number().default(0),
  nats: z.object({
    type: z.literal("account"),
    version: z.literal(2),
    // A plain signing key is a string, a scoped one an object.
    signing_keys: z.array(z.union([publicKey, scope])).nullish(),
    default_permissions: permissions.nullish(),
    tags: z.array(z.string()).nullish(),
  }),
});

/** Permissions as a JWT has them. Subjects may contain templates. */
export type PermissionClaims = z.infer<typeof permissions>;

/** A scoped signing key: the key, its role, and the permissions that the server gives to every user signed with it. */
export type Scope = z.infer<typeof scope>;

/** An account, as its JWT describes it. */
export interface Account {
  readonly publicKey: AccountPublicKey;
  readonly name: string;
  readonly tags: readonly string[];
  /** The permissions of users whose role has none. */
  readonly defaultPermissions: PermissionClaims;
  readonly scopes: ReadonlyMap<AccountPublicKey, Scope>;
}

/**
 * Reads an account JWT.
 * @param now seconds since the epoch
 * @throws {InvalidKeysError} when its signature is wrong, it is not an account's, not version 2, or has expired
 */
export function parseAccount(jwt: string, now: number): Account {
  const decoded = decodeJwt(jwt.trim());
  if (decoded === undefined)
    throw new InvalidKeysError("the account JWT is broken or its signature is wrong");
  const parsed = claims.safeParse(decoded);
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => issue.path.join("."));
    throw new InvalidKeysError(`the account JWT is not a version 2 account: see ${where.join(", ")}`);
  }
  const { sub, name, exp, nats } = parsed.data;
  if (exp !== 0 && exp <= now) throw new InvalidKeysError("the account JWT has expired");
  const scopes = (nats.signing_keys ?? []).filter((key) => typeof key !== "string");
  return {
    publicKey: sub,
    name,
    tags: nats.tags ?? [],
    defaultPermissions: nats.default_permissions ?? {},
    scopes: new Map(scopes.map((scope) => [scope.key, scope])),
  };
}
