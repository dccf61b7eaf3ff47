import { quote } from "../../util/quote.ts";
import {
  InvalidPolicyError,
  RoleNotAllowedError,
  TagNotAllowedError,
  UnauthorizedError,
  UserNotAllowedError,
} from "../errors.ts";
import type { Grant, Identity, Requested } from "../identity.ts";
import type { Seconds } from "../lifetime.ts";
import { isSubjectToken, MAX_TOKEN_LENGTH, type SubjectToken } from "../subject-token.ts";
import type { Tags } from "../tags.ts";
import { type ClaimPath, claimAt, showClaim } from "./claims.ts";
import { matches, type When } from "./conditions.ts";
import { deriveUser, looksDerived } from "./derived-user.ts";

/** Rules that turn an identity into a grant. The first rule that matches decides. */
export interface PolicyRules {
  /** The source of user names; without it they are derived from issuer and subject. */
  readonly user?: UserSource | undefined;
  readonly rules: readonly Rule[];
}

/**
 * The claim whose value is the user's name, literally. With `unique` the operator confirms that the issuer never gives
 * two of its subjects the same value: they would be the same user.
 */
export interface UserSource {
  readonly claim: ClaimPath;
  readonly unique: true;
}

/** Grants a role to identities that meet the conditions. */
export interface Rule {
  readonly description?: string | undefined;
  readonly when: When;
  readonly grant: RuleGrant;
}

/** What a rule grants. */
export interface RuleGrant {
  readonly role: string;
  /** All tags of the credential. */
  readonly tags?: Readonly<Record<string, TagSource>> | undefined;
  /** The longest lifetime, in seconds, 10 to 3600; the role's own limit also applies. */
  readonly ttl?: number | undefined;
}

/**
 * The source of a tag's value: a claim with one text or with a list from which the caller requests one, or a fixed
 * value. A claim's texts can be mapped: `strip_prefix` takes those that begin with it, without it; `values` takes those
 * that it names, as the values it has for them. All others are left out, so that a mapping never adds a value.
 */
export type TagSource =
  | { readonly claim: ClaimPath; readonly strip_prefix?: string; readonly values?: undefined }
  | {
      readonly claim: ClaimPath;
      readonly values: Readonly<Record<string, SubjectToken>>;
      readonly strip_prefix?: undefined;
    }
  | { readonly value: SubjectToken };

/** A synchronous `Authorizer`. */
export type SyncAuthorizer = (identity: Identity, requested: Requested) => Grant;

/**
 * Makes an authorizer from the rules of a policy. The first rule that matches decides: the identity meets its
 * conditions, and its role is the requested one, or no role is requested. Every user name and tag in a grant is one
 * literal subject token.
 *
 * It throws `UnauthorizedError` for an identity of another issuer, `RoleNotAllowedError` when no rule matches,
 * `UserNotAllowedError` when the identity has no valid name or the request has another one, `TagNotAllowedError` for a
 * tag that the rule doesn't grant or has no value for.
 * @param issuers every issuer in use
 * @throws {InvalidPolicyError} when names come from a claim and there are several issuers: each may have an `alice`
 */
export function compilePolicy({ user, rules }: PolicyRules, issuers: readonly string[]): SyncAuthorizer {
  const known = new Set(issuers);
  if (user && known.size > 1) {
    throw new InvalidPolicyError(
      "user: names from a claim need a single issuer, since two issuers may have different callers with the same name",
    );
  }
  return (identity, requested) => {
    // The issuer may have been removed from the policy since the token was verified.
    if (!known.has(identity.issuer)) {
      throw new UnauthorizedError(
        `the identity is from an issuer that is not trusted here: ${quote(identity.issuer)}`,
        "unknown_issuer",
      );
    }
    const rule = rules.find((rule) => offersRole(rule, requested) && matches(rule.when, identity));
    if (!rule) throw new RoleNotAllowedError();
    const { role, tags, ttl } = rule.grant;
    const name = userOf(identity, user);
    if (requested.user !== undefined && requested.user !== name) {
      throw new UserNotAllowedError("the requested user is not this caller's user; leave it out");
    }
    const granted = tagsOf(tags ?? {}, identity, requested.tags ?? {});
    return {
      role,
      user: name,
      tags: tags && granted,
      ttl: shortest(requested.ttl, ttl as Seconds | undefined),
    };
  };
}

/** Whether the rule's role is the requested one, or none is requested. Its conditions are not considered. */
export const offersRole = ({ grant }: Rule, { role }: Requested): boolean =>
  role === undefined || role === grant.role;

function userOf(identity: Identity, source: UserSource | undefined): SubjectToken {
  if (!source) return deriveUser(identity);
  // There is no fallback to a derived name: the claim's presence would then decide which user a caller is.
  const name = claimAt(identity.claims, source.claim);
  if (!isSubjectToken(name)) {
    throw new UserNotAllowedError(`the claim ${showClaim(source.claim)} ${whyNoName(name)}`);
  }
  // It may be the name that another caller had before `user` was set in the policy.
  if (looksDerived(name)) {
    throw new UserNotAllowedError(`the claim ${showClaim(source.claim)} has the form of a derived user name`);
  }
  return name;
}

/** Why the value can't be a user's name. Does not repeat it, since it may be a private key. */
function whyNoName(value: unknown): string {
  if (value === undefined) return "is missing";
  if (typeof value !== "string") return "is not a text, so it can't be a user name";
  if (value.length > MAX_TOKEN_LENGTH) {
    return `has ${value.length} characters, and a user name has at most ${MAX_TOKEN_LENGTH}`;
  }
  return "is not one subject token, as a user name must be: A-Z, a-z, 0-9, _ and -";
}

function tagsOf(sources: Readonly<Record<string, TagSource>>, { claims }: Identity, requested: Tags): Tags {
  for (const name of Object.keys(requested)) {
    if (!Object.hasOwn(sources, name))
      throw new TagNotAllowedError(`tag ${quote(name)}: is not granted with this role`);
  }
  const values = Object.entries(sources).map(([name, source]): [string, SubjectToken] => {
    const requestedValue = Object.hasOwn(requested, name) ? requested[name] : undefined;
    return [name, tagValue(name, valuesOf(source, claims), requestedValue)];
  });
  return Object.fromEntries(values);
}

/** The values that the source offers; undefined when there is none. */
function valuesOf(source: TagSource, claims: Identity["claims"]): unknown {
  if ("value" in source) return source.value;
  const value = claimAt(claims, source.claim);
  if (source.strip_prefix === undefined && source.values === undefined) return value;
  return [...new Set([value].flat().flatMap((text) => mapped(text, source)))];
}

function mapped(text: unknown, { strip_prefix, values }: Exclude<TagSource, { value: SubjectToken }>) {
  if (typeof text !== "string") return [];
  if (values) return Object.hasOwn(values, text) ? [values[text]] : [];
  if (strip_prefix === undefined || !text.startsWith(strip_prefix)) return [];
  // A group below the one that names the value, such as `/tenants/acme/admins`, is no value of its own.
  const rest = text.slice(strip_prefix.length);
  return isSubjectToken(rest) ? [rest] : [];
}

function tagValue(name: string, value: unknown, requested: SubjectToken | undefined): SubjectToken {
  const refuse = (why: string) => new TagNotAllowedError(`tag ${quote(name)}: ${why}`);
  const choices: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  if (choices.length === 0) throw refuse("the caller has no value for it");
  if (requested === undefined && choices.length > 1)
    throw refuse("the caller has several values and must request one");
  const chosen = requested ?? choices[0];
  if (!choices.includes(chosen)) throw refuse("the caller may not have the requested value");
  if (!isSubjectToken(chosen)) throw refuse("its value must be one subject token");
  return chosen;
}

function shortest(requested: Seconds | undefined, rule: Seconds | undefined): Seconds | undefined {
  return requested === undefined || (rule !== undefined && rule < requested) ? rule : requested;
}
