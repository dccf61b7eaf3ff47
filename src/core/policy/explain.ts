import { quote } from "../../util/quote.ts";
import { showPlace } from "../../util/zod-issues.ts";
import type { Identity, Requested } from "../identity.ts";
import { explainMismatch } from "./conditions.ts";
import { offersRole, type PolicyRules, type Rule } from "./rules.ts";

/** How one rule applies to an identity. */
export interface RuleVerdict {
  /** `rules[0]`, as messages about the policy name it. */
  readonly place: string;
  readonly description?: string;
  readonly role: string;
  /** Whether it offers the requested role and the identity meets its conditions. */
  readonly matches: boolean;
  /** Why it doesn't match; empty when it does. */
  readonly why: readonly string[];
}

/** The rules in their order, up to the first that matches; all of them when none does. */
export function explainRules(
  { rules }: PolicyRules,
  identity: Identity,
  requested: Requested,
): RuleVerdict[] {
  const verdicts = rules.map((rule, i): RuleVerdict => {
    const why = whyNot(rule, identity, requested);
    return {
      place: showPlace(["rules", i]),
      ...(rule.description !== undefined && { description: rule.description }),
      role: rule.grant.role,
      matches: why.length === 0,
      why,
    };
  });
  const decides = verdicts.findIndex(({ matches }) => matches);
  return decides < 0 ? verdicts : verdicts.slice(0, decides + 1);
}

function whyNot(rule: Rule, identity: Identity, requested: Requested): string[] {
  if (!offersRole(rule, requested))
    return [`it grants ${quote(rule.grant.role)}, and ${quote(requested.role ?? "")} is requested`];
  return explainMismatch(rule.when, identity);
}

/**
 * Warnings about a valid policy: rules that can have no effect, one sentence each.
 * @param issuers every issuer in use
 * @param roles the roles that the mint has keys for; undefined when they are not known yet
 */
export function policyWarnings(
  { rules }: PolicyRules,
  issuers: readonly string[],
  roles?: readonly string[],
): string[] {
  const unconditional = new Set<string>();
  const warnings = rules.flatMap(({ when, grant: { role } }, i) => {
    const at = showPlace(["rules", i]);
    const found: string[] = [];
    if (when.issuer !== undefined && ![when.issuer].flat().some((name) => issuers.includes(name))) {
      found.push(`${at}.when.issuer: no such issuer is in use, so the rule never matches`);
    }
    if (roles && !roles.includes(role))
      found.push(`${at}.grant.role: the mint has no key for ${quote(role)}`);
    if (unconditional.has(role)) {
      found.push(`${at}: is never reached, since a rule before it grants ${quote(role)} to every identity`);
    }
    if (when.issuer === undefined && when.claims === undefined) unconditional.add(role);
    return found;
  });
  if (rules.length === 0) warnings.push("rules: is empty, so every request is refused");
  return warnings;
}
