import { quote } from "../util/quote.ts";
import {
  ConfigError,
  InvalidKeysError,
  KeysUnavailableError,
  MintError,
  RoleNotAllowedError,
} from "./errors.ts";
import type { Grant } from "./identity.ts";
import { type AccountSigner, accountSigner, createUserKeyPair, type UserKeyPair } from "./keys/ed25519.ts";
import { signClaims } from "./keys/jwt.ts";
import type { AccountPublicKey, UserPublicKey } from "./keys/nkey.ts";
import { boundedLifetime, MAX_LIFETIME, MIN_LIFETIME, parseLifetime, type Seconds } from "./lifetime.ts";
import { type Account, parseAccount } from "./roles/account.ts";
import { compileRole, type Permissions, type Role } from "./roles/role.ts";
import { parseSubjectToken, type SubjectToken } from "./subject-token.ts";
import { parseTags, type Tags } from "./tags.ts";

export interface MintOptions {
  /** The account JWT as the server has it. It defines the roles and their permissions. */
  readonly accountJwt: string;
  /**
   * For each role, the seed (`SA…`) of its scoped signing key, and `ttl`, the longest lifetime of its credentials: 10 to
   * 3600 seconds.
   */
  readonly roles: Readonly<Record<string, { readonly seed: string; readonly ttl: number }>>;
  /**
   * Called for a role whose users the server would refuse, which is left out then. Without this option such a role is an
   * error of the whole.
   */
  readonly onUnusableRole?: ((error: InvalidKeysError) => void) | undefined;
  /** Milliseconds since the epoch; the system's clock by default. */
  readonly now?: () => number;
}

/** Issues credentials for one account. */
export interface Mint {
  readonly account: AccountPublicKey;
  /** The account's name, which `Grant.account` refers to. */
  readonly accountName: string;
  readonly roles: readonly string[];
  /**
   * Signs a user JWT for a grant.
   * @param publicKey the client's own; without it the mint makes a key pair and returns its seed
   * @throws {RoleNotAllowedError} for a role that this mint has no key for
   * @throws {InvalidUserError} for a name that is not one subject token
   * @throws {InvalidTagError} for an invalid tag, or when the role needs a tag that was not granted
   * @throws {InvalidLifetimeError} for a `ttl` that is not a whole number of seconds, or below 10
   * @throws {TokenExpiringError} {TokenExpiredError} when less than 10 s, or nothing, is left of `grant.expiresBy`
   */
  issue(grant: Grant, publicKey?: UserPublicKey): Credentials;
}

/** A signed user JWT and what a client needs to know about it. Times in seconds since the epoch. */
export interface Credentials {
  readonly jwt: string;
  /** The JWT's id: a hash of its other claims. */
  readonly jti: string;
  /** The client's public key: its own, or the one that the mint made. */
  readonly publicKey: UserPublicKey;
  /** Only when the mint made the key pair. */
  readonly seed?: string | undefined;
  readonly user: SubjectToken;
  readonly role: string;
  readonly tags: Tags;
  readonly account: AccountPublicKey;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly permissions: Permissions;
  /** The `inboxPrefix` for the client, which the role permits; undefined if the role permits no inbox. */
  readonly inboxPrefix: string | undefined;
  /** How the user may connect (`WEBSOCKET`, `STANDARD`, …); none listed means any way. */
  readonly connectionTypes: readonly string[];
}

const NO_TAGS: Tags = Object.freeze({});

interface RoleKey {
  readonly role: Role;
  readonly ttl: Seconds;
  readonly signer: AccountSigner;
}

/**
 * Makes a mint from an account JWT and the keys of its roles. One wrong key is an error of the whole.
 * @throws {InvalidKeysError} when the account JWT is not valid, a seed is not the key that the JWT has for that role,
 * a lifetime is not a number of seconds, or the server would refuse every user of a role
 */
export function createMint({ accountJwt, roles, onUnusableRole, now = Date.now }: MintOptions): Mint {
  const account = parseAccount(accountJwt, now() / 1000);
  const keys = new Map(
    Object.entries(roles).flatMap(([name, options]) => {
      const key = loadRole(name, options, account, onUnusableRole);
      return key ? [[name, key]] : [];
    }),
  );

  return {
    account: account.publicKey,
    accountName: account.name,
    roles: [...keys.keys()],
    issue(grant, publicKey) {
      const key = keys.get(grant.role);
      if (!key) throw new RoleNotAllowedError();
      // Checked again: JavaScript callers have no types, and a user named `*` could read every user's subjects.
      const user = parseSubjectToken(grant.user);
      const tags = parseTags(grant.tags ?? NO_TAGS);
      const requested = grant.ttl === undefined ? undefined : parseLifetime(grant.ttl);

      const issuedAt = Math.floor(now() / 1000);
      const left = grant.expiresBy === undefined ? undefined : grant.expiresBy - issuedAt;
      const expiresAt = issuedAt + boundedLifetime(key.ttl, requested, left);

      const pair: Pick<UserKeyPair, "publicKey"> & Partial<UserKeyPair> =
        publicKey === undefined ? createUserKeyPair() : { publicKey };
      const tag = (name: string) => (Object.hasOwn(tags, name) ? tags[name] : undefined);
      const templateUser = { name: user, subject: pair.publicKey, tag };
      const permissions = key.role.permissionsOf(templateUser);
      const claims = { user, subject: pair.publicKey, tags, account, issuedAt, expiresAt };
      const { jwt, jti } = signClaims(userClaims(claims, key.signer.publicKey), key.signer);
      return {
        jwt,
        jti,
        publicKey: pair.publicKey,
        seed: pair.seed,
        user,
        role: grant.role,
        tags,
        account: account.publicKey,
        issuedAt,
        expiresAt,
        permissions,
        inboxPrefix: key.role.inboxPrefixOf(templateUser, permissions),
        connectionTypes: key.role.connectionTypes,
      };
    },
  };
}

/**
 * The mint of the account with this name; without a name, the first mint.
 * @throws {KeysUnavailableError} when there is no mint at all
 * @throws {RoleNotAllowedError} when no mint is for this account
 * @throws {ConfigError} when several are: NATS does not keep the names of accounts unique
 */
export function findMint(mints: readonly Mint[], account: string | undefined): Mint {
  if (account === undefined && mints[0]) return mints[0];
  const [mint, ...others] = mints.filter(({ accountName }) => accountName === account);
  if (others.length > 0)
    throw new ConfigError(`several mints are of an account named ${quote(account ?? "")}`);
  if (mint) return mint;
  throw mints.length === 0 ? new KeysUnavailableError() : new RoleNotAllowedError();
}

function loadRole(
  name: string,
  { seed, ttl }: MintOptions["roles"][string],
  account: Account,
  onUnusable: MintOptions["onUnusableRole"],
): RoleKey | undefined {
  const place = `role ${quote(name)}`;
  const signer = accountSigner(seed.trim());
  if (!signer) throw new InvalidKeysError(`${place}: its key is not the seed of an account signing key`);
  const scope = account.scopes.get(signer.publicKey);
  if (scope?.role !== name)
    throw new InvalidKeysError(`${place}: its key is not that role's key in the account JWT`);
  if (!Number.isSafeInteger(ttl) || ttl < MIN_LIFETIME) {
    throw new InvalidKeysError(
      `${place}: its ttl must be a whole number of seconds, at least ${MIN_LIFETIME}`,
    );
  }
  try {
    return { role: compileRole(scope, account), ttl: Math.min(ttl, MAX_LIFETIME) as Seconds, signer };
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    const unusable = new InvalidKeysError(`${place}: ${error.message}`);
    if (!onUnusable) throw unusable;
    onUnusable(unusable);
    return undefined;
  }
}

interface UserJwt {
  user: SubjectToken;
  subject: UserPublicKey;
  tags: Tags;
  account: Account;
  issuedAt: number;
  expiresAt: number;
}

/**
 * The claims of a scoped user as JSON, as `encodeUser` of `@nats-io/jwt` writes them. No permissions and no limits, not
 * even empty ones: the server refuses a scoped user that has any, and fills in the role's. No `nbf`: servers allow no skew.
 *
 * A text is made in a quarter of the time of an object. Only checked values are inserted as they are: a name that is one
 * subject token and the public keys of account and signer need no quoting.
 */
function userClaims({ user, subject, tags, account, issuedAt, expiresAt }: UserJwt, iss: string): string {
  const tagList = Object.entries(tags).map(([name, value]) => `${name}:${value}`);
  const tagClaim = tagList.length > 0 ? `"tags":${JSON.stringify(tagList)},` : "";
  return (
    `{"iat":${issuedAt},"exp":${expiresAt},"aud":"NATS","name":"${user}","sub":${JSON.stringify(subject)},` +
    `"nats":{${tagClaim}"issuer_account":"${account.publicKey}","type":"user","version":2},"iss":"${iss}"}`
  );
}
