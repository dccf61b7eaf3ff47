import { quote } from "../../util/quote.ts";
import type { Identity } from "../identity.ts";
import { type ClaimPath, claimAt, type Scalar, showClaim } from "./claims.ts";

/** A condition on one claim, with exactly one test. There is no negation, so a missing claim never grants more. */
export type Condition = { readonly claim: ClaimPath } & (
  | { readonly equals: Scalar }
  | { readonly one_of: readonly Scalar[] }
  | { readonly contains: Scalar }
  | { readonly contains_word: string }
  | { readonly present: true }
);

/** The identities that a rule applies to: those that meet all of these conditions. */
export interface When {
  /** The identity's issuer, exactly; of a list, one of them. */
  readonly issuer?: string | readonly string[];
  readonly claims?: readonly Condition[];
}

/** Whether the identity meets all conditions. */
export function matches(when: When, identity: Identity): boolean {
  if (!isFrom(when, identity)) return false;
  return (when.claims ?? []).every((condition) =>
    passes(condition, claimAt(identity.claims, condition.claim)),
  );
}

function isFrom({ issuer }: When, identity: Identity): boolean {
  if (issuer === undefined) return true;
  return typeof issuer === "string" ? issuer === identity.issuer : issuer.includes(identity.issuer);
}

/** Values are compared strictly and never converted: `"true"` is not `true`, and a list is not its only element. */
function passes(condition: Condition, value: unknown): boolean {
  if ("equals" in condition) return value === condition.equals;
  if ("one_of" in condition) return condition.one_of.some((wanted) => wanted === value);
  if ("contains" in condition)
    return Array.isArray(value) && value.some((item) => item === condition.contains);
  if ("contains_word" in condition) return wordsOf(value).includes(condition.contains_word);
  if ("present" in condition) return value !== undefined && value !== null;
  // An unknown test can only come from a caller without types.
  return false;
}

/** The words of a text, separated by spaces as in a token's `scope` (RFC 6749, section 3.3), or the texts of a list. */
function wordsOf(value: unknown): readonly unknown[] {
  if (typeof value === "string") return value.split(" ");
  return Array.isArray(value) ? value : [];
}

/** For the policy's author: one sentence for each condition that the identity doesn't meet; empty when it meets all. */
export function explainMismatch(when: When, identity: Identity): string[] {
  const found: string[] = [];
  if (!isFrom(when, identity)) {
    const names = [when.issuer ?? []].flat();
    found.push(`the issuer is not ${names.length > 1 ? "one of " : ""}${names.map(quote).join(", ")}`);
  }
  for (const condition of when.claims ?? []) {
    const value = claimAt(identity.claims, condition.claim);
    if (passes(condition, value)) continue;
    found.push(`${showClaim(condition.claim)} is ${show(value)}, wanted ${wanted(condition)}`);
  }
  return found;
}

function wanted(condition: Condition): string {
  if ("equals" in condition) return show(condition.equals);
  if ("one_of" in condition) return `one of ${condition.one_of.map(show).join(", ")}`;
  if ("contains" in condition) return `a list with ${show(condition.contains)}`;
  if ("contains_word" in condition) return `the word ${show(condition.contains_word)} in it`;
  return "any value";
}

const MAX_SHOWN = 40;

/** A claim's value for a message. A long text is not shown, since it may be a key or a token. */
function show(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    return value.length <= MAX_SHOWN ? quote(value) : `a text of ${value.length} characters`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}${value.length > 0 ? `: ${items(value)}` : ""}`;
  return "an object";
}

function items(list: readonly unknown[]): string {
  const first = list.slice(0, 8).map((item) => (Array.isArray(item) ? "a list" : show(item)));
  return [...first, ...(list.length > first.length ? ["…"] : [])].join(", ");
}
