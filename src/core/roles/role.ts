import { createUserKeyPair } from "../keys/ed25519.ts";
import { parseSubjectToken } from "../subject-token.ts";
import type { Account, PermissionClaims, Scope } from "./account.ts";
import { compileInboxPrefix, type InboxPrefix } from "./inbox-prefix.ts";
import { compileAllow, compileDeny, type TemplateUser } from "./template.ts";

/**
 * A user's permissions without templates, in the shape that they have in a NATS JWT. An absent part is not restricted.
 */
export interface Permissions {
  pub?: SubjectRules;
  sub?: SubjectRules;
  /** Permission to publish to the reply subjects of received requests: `max` messages within `ttl` nanoseconds. */
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
  /** @throws {InvalidTagError} when a denied subject needs a tag that the user doesn't have */
  permissionsOf(user: TemplateUser): Permissions;
  /** The prefix of the user's inboxes; undefined if these permissions, which are the user's, have none. */
  readonly inboxPrefixOf: InboxPrefix;
}

// nats-server's DEFAULT_ALLOW_RESPONSE_MAX_MSGS and DEFAULT_ALLOW_RESPONSE_EXPIRATION (two minutes, in nanoseconds).
const DEFAULT_RESPONSES = { max: 1, ttl: 120_000_000_000 };

/**
 * Prepares a scoped signing key's template, so that it can be filled in quickly for each user.
 * @throws {InvalidKeysError} when the server would refuse every user of this role
 */
export function compileRole(scope: Scope, account: Account): Role {
  const { template } = scope;
  const permissionsOf = isEmpty(template)
    ? () => effectivePermissions(account.defaultPermissions)
    : compilePermissions(template, account);
  permissionsOf(userWithAllTags());
  return {
    name: scope.role,
    connectionTypes: (template.allowed_connection_types ?? []).map((type) => type.toUpperCase()),
    permissionsOf,
    inboxPrefixOf: compileInboxPrefix(
      (isEmpty(template) ? account.defaultPermissions : template).sub,
      account,
    ),
  };
}

/** A user with every tag. A role that can't be filled in for this user can't be filled in for any. */
function userWithAllTags(): TemplateUser {
  const token = parseSubjectToken("probe");
  return { name: token, subject: createUserKeyPair().publicKey, tag: () => token };
}

/** The server uses the account's defaults only for a template without any permission (`buildInternalNkeyUser`). */
function isEmpty({ pub, sub, resp }: PermissionClaims): boolean {
  return ![pub?.allow, pub?.deny, sub?.allow, sub?.deny].some((list) => list?.length) && !resp;
}

function compilePermissions(
  template: PermissionClaims,
  account: Account,
): (user: TemplateUser) => Permissions {
  const pub = compileRules(template.pub, account);
  const sub = compileRules(template.sub, account);
  return (user) => effectivePermissions({ pub: pub(user), sub: sub(user), resp: template.resp });
}

interface Lists {
  /** Undefined where the template has none, which the server treats differently from an empty list. */
  allow: readonly string[] | undefined;
  deny: readonly string[];
}

function compileRules(rules: PermissionClaims["pub"], account: Account): (user: TemplateUser) => Lists {
  const allow = rules?.allow ? compileAllow(rules.allow, account) : undefined;
  const deny = compileDeny(rules?.deny ?? [], account);
  return (user) => {
    const lists = { allow: allow?.(user), deny: deny(user) };
    // An empty allow list would allow everything, so the server denies everything when no subject of the list remains.
    if (rules?.allow?.length && lists.allow?.length === 0) {
      return { allow: undefined, deny: lists.deny.includes(">") ? lists.deny : [...lists.deny, ">"] };
    }
    return lists;
  };
}

/**
 * Leaves out what restricts nothing, and adds the defaults that the server applies (`validateResponsePermissions` in
 * its `auth.go`).
 */
function effectivePermissions({ pub, sub, resp }: PermissionClaims): Permissions {
  const result: Permissions = {};
  const pubRules = restrictions(pub);
  const subRules = restrictions(sub);
  // Beside a deny list, an empty allow list allows nothing to publish, but everything to subscribe.
  if (pub?.allow?.length === 0 && pubRules) pubRules.allow = [];
  if (pubRules) result.pub = pubRules;
  if (subRules) result.sub = subRules;
  if (resp) {
    // With a permission to respond, the user may publish nothing else unless it is allowed.
    result.pub = { allow: [], ...pubRules };
    result.resp = { max: resp.max || DEFAULT_RESPONSES.max, ttl: resp.ttl || DEFAULT_RESPONSES.ttl };
  }
  return result;
}

function restrictions(rules: PermissionClaims["pub"]): SubjectRules | undefined {
  const restricting: SubjectRules = {};
  if (rules?.allow?.length) restricting.allow = rules.allow;
  if (rules?.deny?.length) restricting.deny = rules.deny;
  return restricting.allow || restricting.deny ? restricting : undefined;
}
