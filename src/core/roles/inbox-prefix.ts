import type { Account, PermissionClaims } from "./account.ts";
import type { Permissions, SubjectRules } from "./role.ts";
import { compileAllow, type TemplateUser } from "./template.ts";

/**
 * The prefix of inboxes that a role permits. A client subscribes to `<prefix>.<random>.*` for the responses to its
 * requests, and to `<prefix>.<random>` for a response or a consumer of its own.
 */

/** The prefix for a user with these permissions; undefined if the role permits no inbox. */
export type InboxPrefix = (user: TemplateUser, permissions: Permissions) => string | undefined;

/** Preferred: no other user's inbox has it, whatever the name. */
const PRIVATE = "_INBOX_{{name()}}";

/** Tried last, for a role that may subscribe to almost everything, but not to that. */
const SHARED = "_INBOX.{{name()}}";

/** Prepares the search for a prefix in the subjects that a role may subscribe to. */
export function compileInboxPrefix(sub: PermissionClaims["sub"], account: Account): InboxPrefix {
  const allow = sub?.allow ?? [];
  if (!sub?.deny?.length && (allow.length === 0 || allow.includes(`${PRIVATE}.>`) || allow.includes(">"))) {
    return ({ name }) => `_INBOX_${name}`;
  }
  const candidates = [PRIVATE, ...candidatesIn(allow), SHARED].map((prefix) =>
    compileAllow([prefix], account),
  );
  return (user, permissions) => {
    const prefixes = candidates.flatMap((candidate) => candidate(user));
    return (
      prefixes.find(
        (prefix) => permits(permissions.sub, [prefix, ANY, ANY]) && permits(permissions.sub, [prefix, ANY]),
      ) ?? prefixes.find((prefix) => permits(permissions.sub, [prefix, ANY, ANY]))
    );
  };
}

/**
 * Prefixes below the subjects that are inboxes by their name, the user's own first, and then below others that are the
 * user's own. The responses of all other subjects would be received by other users too.
 */
function candidatesIn(allow: readonly string[]): string[] {
  const subjects = allow.filter((subject) => !subject.includes(" ") && />$|\.\*\.\*$/.test(subject));
  const inboxes = subjects.filter((subject) => subject.startsWith("_INBOX"));
  const ownInboxes = inboxes.filter(isOwn);
  const own = subjects.filter(isOwn);
  return [...new Set([...ownInboxes, ...inboxes, ...own])].map(prefixBelow).filter((prefix) => prefix !== "");
}

const isOwn = (subject: string) => /\{\{\s*(name|subject)\(\)\s*\}\}/i.test(subject);

function prefixBelow(subject: string): string {
  if (subject.endsWith(".*.*")) return withoutWildcards(subject.slice(0, -".*.*".length));
  const prefix = withoutWildcards(subject.slice(0, -".>".length));
  return isOwn(prefix) ? prefix : `${prefix}.{{name()}}`;
}

const withoutWildcards = (subject: string) =>
  subject
    .split(".")
    .map((token) => (token === "*" ? "{{name()}}" : token))
    .join(".");

/** A random token: only a wildcard matches it. */
const ANY = "\0";

function permits(rules: SubjectRules | undefined, parts: readonly string[]): boolean {
  const subject = parts.join(".").split(".");
  const isMatchedBy = (pattern: string) => !pattern.includes(" ") && matches(pattern.split("."), subject);
  return (rules?.allow?.some(isMatchedBy) ?? true) && !rules?.deny?.some(isMatchedBy);
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === ">";
  if (isOpen ? subject.length < pattern.length : subject.length !== pattern.length) return false;
  return pattern.every(
    (token, i) => token === "*" || token === subject[i] || (isOpen && i === pattern.length - 1),
  );
}
