import { createUserKeyPair } from "../keys/ed25519.ts";
import { parseSubjectToken } from "../subject-token.ts";
import type { Account, PermissionClaims, Scope } from "./account.ts";
import { compileAllow, compileDeny, type TemplateUser } from "./template.ts";

/** A user's permissions in clear, in the shape they have in a NATS JWT; what is absent is not restricted. */
export interface Permissions {
  pub?: SubjectRules;
  sub?: SubjectRules;
  /** Right to answer on a reply subject without being granted it: `max` messages within `ttl` nanoseconds. */
  resp?: { max: number; ttl: number };
}

/** `deny` wins over `allow`. An empty `allow` allows nothing, an absent one everything. */
export interface SubjectRules {
  allow?: readonly string[];
  deny?: readonly string[];
}

/** A role as the account JWT defines it. */
export interface Role {
  readonly name: string;
  /** How its users may connect (`WEBSOCKET`, `STANDARD`, …); none listed means any way. */
  readonly connectionTypes: readonly string[];
  /** @throws {InvalidTagError} when a subject to deny needs a tag that the user hasn't got */
  permissionsOf(user: TemplateUser): Permissions;
}

// nats-server's DEFAULT_ALLOW_RESPONSE_MAX_MSGS and DEFAULT_ALLOW_RESPONSE_EXPIRATION (two minutes, in nanoseconds).
const DEFAULT_RESPONSES = { max: 1, ttl: 120_000_000_000 };

/**
 * Prepares a scoped signing key's template, so that filling it in for a user costs little.
 * @throws {InvalidKeysError} when the server would refuse every user of this role
 */
export function compileRole(scope: Scope, account: Account): Role {
  const { template } = scope;
  const permissionsOf = isEmpty(template)
    ? () => inClear(account.defaultPermissions)
    : compilePermissions(template, account);
  permissionsOf(userWithAllTags());
  return {
    name: scope.role,
    connectionTypes: (template.allowed_connection_types ?? []).map((type) => type.toUpperCase()),
    permissionsOf,
  };
}

/** A user who lacks nothing: if the role can't be filled in for this one, it can't for anybody. */
function userWithAllTags(): TemplateUser {
  const token = parseSubjectToken("probe");
  return { name: token, subject: createUserKeyPair().publicKey, tag: () => token };
}

/** The server falls back to the account's defaults only where nothing at all is said (`buildInternalNkeyUser`). */
function isEmpty({ pub, sub, resp }: PermissionClaims): boolean {
  return ![pub?.allow, pub?.deny, sub?.allow, sub?.deny].some((list) => list?.length) && !resp;
}

function compilePermissions(
  template: PermissionClaims,
  account: Account,
): (user: TemplateUser) => Permissions {
  const pub = compileRules(template.pub, account);
  const sub = compileRules(template.sub, account);
  return (user) => inClear({ pub: pub(user), sub: sub(user), resp: template.resp });
}

interface Lists {
  /** Absent where the template has none; the server tells that from an empty one. */
  allow: readonly string[] | undefined;
  deny: readonly string[];
}

function compileRules(rules: PermissionClaims["pub"], account: Account): (user: TemplateUser) => Lists {
  const allow = rules?.allow ? compileAllow(rules.allow, account) : undefined;
  const deny = compileDeny(rules?.deny ?? [], account);
  return (user) => {
    const lists = { allow: allow?.(user), deny: deny(user) };
    // An allow list of which nothing remains would read as "everything", so the server denies everything instead.
    if (rules?.allow?.length && lists.allow?.length === 0) {
      return { allow: undefined, deny: lists.deny.includes(">") ? lists.deny : [...lists.deny, ">"] };
    }
    return lists;
  };
}

/** Says only what restricts, and spells out what the server assumes (`validateResponsePermissions` in its `auth.go`). */
function inClear({ pub, sub, resp }: PermissionClaims): Permissions {
  const clear: Permissions = {};
  const pubRules = restrictions(pub);
  const subRules = restrictions(sub);
  // Beside something to deny, the server takes an empty list to publish for nothing, one to subscribe for everything.
  if (pub?.allow?.length === 0 && pubRules) pubRules.allow = [];
  if (pubRules) clear.pub = pubRules;
  if (subRules) clear.sub = subRules;
  if (resp) {
    // Who may answer may publish nothing else, unless it is granted.
    clear.pub = { allow: [], ...pubRules };
    clear.resp = { max: resp.max || DEFAULT_RESPONSES.max, ttl: resp.ttl || DEFAULT_RESPONSES.ttl };
  }
  return clear;
}

function restrictions(rules: PermissionClaims["pub"]): SubjectRules | undefined {
  const said: SubjectRules = {};
  if (rules?.allow?.length) said.allow = rules.allow;
  if (rules?.deny?.length) said.deny = rules.deny;
  return said.allow || said.deny ? said : undefined;
}
