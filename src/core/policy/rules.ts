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
import { isSubjectToken, type SubjectToken } from "../subject-token.ts";
import type { Tags } from "../tags.ts";
import { type ClaimPath, claimAt, showPath } from "./claims.ts";
import { matches, type When } from "./conditions.ts";
import { deriveUser, looksDerived } from "./derived-user.ts";

/** Who gets what: rules that turn an identity into a grant. The first that fits is the one. */
export interface PolicyRules {
  /** Where user names come from; without it they are derived from issuer and subject. */
  readonly user?: UserSource | undefined;
  readonly rules: readonly Rule[];
}

/**
 * The claim whose value is the user's name, literally. `unique` is the operator's word that the issuer never gives two
 * of its subjects the same value: whoever has it has that user's subjects.
 */
export interface UserSource {
  readonly claim: ClaimPath;
  readonly unique: true;
}

export interface Rule {
  readonly description?: string | undefined;
  readonly when: When;
  readonly grant: RuleGrant;
}

export interface RuleGrant {
  readonly role: string;
  /** The credential's tags, and no others. */
  readonly tags?: Readonly<Record<string, TagSource>> | undefined;
  /** The longest lifetime, in seconds, 10 to 3600; the role's own is a limit too. */
  readonly ttl?: number | undefined;
}

/** Where a tag's value comes from: a claim that is one text, or a list of which the caller chooses; or it is fixed. */
export type TagSource = { readonly claim: ClaimPath } | { readonly value: SubjectToken };

/** A `Policy` that answers at once. */
export type RulePolicy = (identity: Identity, requested: Requested) => Grant;

/**
 * Prepares rules for use. What comes out:
 * - of the rules that hold, the first that gives the requested role; when none is requested, the first;
 * - for nobody a name or a tag that is not one literal subject token.
 *
 * The grant throws `UnauthorizedError` for an identity of another issuer, `RoleNotAllowedError` when no rule fits,
 * `UserNotAllowedError` when the identity has no valid name or asks for another, `TagNotAllowedError` for a tag that the
 * rule doesn't give or can't fill.
 * @param issuers every issuer in use
 * @throws {InvalidPolicyError} when names come from a claim and there is more than one issuer: both may know an `alice`
 */
export function compilePolicy({ user, rules }: PolicyRules, issuers: readonly string[]): RulePolicy {
  const known = new Set(issuers);
  if (user && known.size > 1) {
    throw new InvalidPolicyError(
      "user: names from a claim need a single issuer, since two may give different people the same name",
    );
  }
  return (identity, requested) => {
    // Whoever else vouches for somebody, or did until the policy changed, has no say in who gets what.
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

/** Does the rule give what was requested? Whether it holds is another question. */
export const offersRole = ({ grant }: Rule, { role }: Requested): boolean =>
  role === undefined || role === grant.role;

function userOf(identity: Identity, source: UserSource | undefined): SubjectToken {
  if (!source) return deriveUser(identity);
  // Never a derived name instead: the same person would then be two users, as the issuer pleases.
  const name = claimAt(identity.claims, source.claim);
  if (!isSubjectToken(name)) {
    throw new UserNotAllowedError(`the claim ${showPath(source.claim)} is missing or not one subject token`);
  }
  // Somebody's name from the time before this setting.
  if (looksDerived(name)) {
    throw new UserNotAllowedError(`the claim ${showPath(source.claim)} reads like a derived user name`);
  }
  return name;
}

function tagsOf(sources: Readonly<Record<string, TagSource>>, { claims }: Identity, requested: Tags): Tags {
  for (const name of Object.keys(requested)) {
    if (!Object.hasOwn(sources, name))
      throw new TagNotAllowedError(`tag ${quote(name)}: is not given with this role`);
  }
  const values = Object.entries(sources).map(([name, source]): [string, SubjectToken] => {
    const wish = Object.hasOwn(requested, name) ? requested[name] : undefined;
    return [name, tagValue(name, "value" in source ? source.value : claimAt(claims, source.claim), wish)];
  });
  return Object.fromEntries(values);
}

function tagValue(name: string, given: unknown, requested: SubjectToken | undefined): SubjectToken {
  const refuse = (why: string) => new TagNotAllowedError(`tag ${quote(name)}: ${why}`);
  const choices: readonly unknown[] = Array.isArray(given) ? given : given === undefined ? [] : [given];
  if (choices.length === 0) throw refuse("the caller has no value for it");
  if (requested === undefined && choices.length > 1)
    throw refuse("the caller has several values and must ask for one");
  const chosen = requested ?? choices[0];
  if (!choices.includes(chosen)) throw refuse("the caller may not have the requested value");
  if (!isSubjectToken(chosen)) throw refuse("its value must be one subject token");
  return chosen;
}

function shortest(requested: Seconds | undefined, rule: Seconds | undefined): Seconds | undefined {
  return requested === undefined || (rule !== undefined && rule < requested) ? rule : requested;
}
