import type { Account } from "./account.ts";
import { InvalidKeysError, InvalidTagError } from "./errors.ts";
import type { UserPublicKey } from "./nkey.ts";
import { quote } from "./quote.ts";
import type { SubjectToken } from "./subject-token.ts";

/**
 * Permission templates of scoped signing keys, filled in the way the server fills them in:
 * `processUserPermissionsTemplate` in nats-server's `server/auth.go`, quirks included, so that what the mint tells a
 * client is what the server enforces.
 */

/** Whom a template is filled in for. */
export interface TemplateUser {
  readonly name: SubjectToken;
  readonly subject: UserPublicKey;
  /** The value of the user's tag of this name, if it has one. */
  tag(name: string): SubjectToken | undefined;
}

/** A list of subjects, ready to be filled in. */
export type SubjectList = (user: TemplateUser) => readonly string[];

const TOKEN = /\{\{([^}]+)\}\}/g;
const MAX_SUBJECTS = 4096;
/** What the server puts where a tag has no value: no subject with a space in it is valid. */
const NO_VALUE = [" "];

/** The values of one `{{…}}`; undefined for a tag that has none. */
type Values = (user: TemplateUser) => readonly string[] | undefined;

interface Token {
  readonly text: string;
  /** The tag's name, when it is one: only a tag can be missing. */
  readonly tag: string | undefined;
  readonly values: Values;
}

/**
 * Prepares an allow list: a subject that comes out invalid is left out.
 * @throws {InvalidKeysError} for a template function that the server doesn't know
 */
export function compileAllow(list: readonly string[], account: Account): SubjectList {
  return compileList(list, account, () => {});
}

/**
 * Prepares a deny list: a subject that comes out invalid would deny less than was meant, so the server refuses the
 * login, and the mint the credential.
 * @throws {InvalidKeysError} for a template function that the server doesn't know; when filled in, also for an invalid
 * subject, and InvalidTagError for a tag without a value
 */
export function compileDeny(list: readonly string[], account: Account): SubjectList {
  return compileList(list, account, (subject, missing) => {
    if (missing !== undefined) throw new InvalidTagError(`the role needs the tag ${quote(missing)}`);
    throw new InvalidKeysError(`the denied subject ${quote(subject)} comes out invalid`);
  });
}

type OnInvalid = (subject: string, missingTag?: string) => void;

function compileList(list: readonly string[], account: Account, onInvalid: OnInvalid): SubjectList {
  // Without a template the server takes the list as it is, unchecked; with one, it checks every subject in it.
  if (!list.some((subject) => subject.match(TOKEN))) return () => list;
  const compiled = list.map((subject) => ({ subject, tokens: parseTokens(subject, account) }));
  return (user) => {
    const filled: string[] = [];
    for (const { subject, tokens } of compiled) {
      const values = tokens.map((token) => {
        const found = token.values(user);
        if (!found) onInvalid(subject, token.tag);
        return found ?? NO_VALUE;
      });
      const combinations = values.reduce((count, { length }) => count * length, 1);
      if (filled.length + combinations > MAX_SUBJECTS) {
        throw new InvalidKeysError(`the subject ${quote(subject)} comes out as more than ${MAX_SUBJECTS}`);
      }
      for (const combination of product(values)) {
        // One token after the other, everywhere it stands: the same token twice has the same value twice.
        const result = tokens.reduce(
          (text, token, i) => text.split(token.text).join(combination[i]),
          subject,
        );
        if (isValidSubject(result)) filled.push(result);
        else onInvalid(subject);
      }
    }
    return filled;
  };
}

function parseTokens(subject: string, account: Account): Token[] {
  return [...subject.matchAll(TOKEN)].map(([text, inside = ""]) => {
    const operation = inside.trim();
    const values = parseOperation(operation, account);
    if (values) return { text, tag: undefined, values };
    const tag = parseTag(operation);
    if (!tag) throw new InvalidKeysError(`the template function ${quote(operation)} does not exist`);
    return { text, tag: tag.name, values: tag.ofAccount ? accountTag(tag.name, account) : userTag(tag.name) };
  });
}

function parseOperation(operation: string, account: Account): Values | undefined {
  switch (operation.toLowerCase()) {
    case "name()":
      return (user) => [user.name];
    case "subject()":
      return (user) => [user.subject];
    case "account-name()":
      return () => [account.name];
    case "account-subject()":
      return () => [account.publicKey];
    default:
      return undefined;
  }
}

function parseTag(operation: string): { ofAccount: boolean; name: string } | undefined {
  for (const start of ["tag(", "account-tag("]) {
    if (!operation.toLowerCase().startsWith(start) || !operation.endsWith(")")) continue;
    // The server knows `TAG(x)` for a tag but only strips `tag(`, in lower case: the name is then `tag(x`.
    const name = operation.startsWith(start) ? operation.slice(start.length, -1) : operation.slice(0, -1);
    return { ofAccount: start === "account-tag(", name: name.toLowerCase() };
  }
  return undefined;
}

function userTag(name: string): Values {
  return (user) => {
    const value = user.tag(name);
    return value === undefined ? undefined : [value];
  };
}

function accountTag(name: string, account: Account): Values {
  const start = `${name}:`;
  const values = account.tags.filter((tag) => tag.startsWith(start)).map((tag) => tag.slice(start.length));
  return () => (values.length > 0 ? values : undefined);
}

/** Every combination of one value from each list, the last list turning fastest. */
function product(lists: readonly (readonly string[])[]): string[][] {
  return lists.reduce<string[][]>(
    (combinations, list) => combinations.flatMap((head) => list.map((value) => [...head, value])),
    [[]],
  );
}

/** `isValidSubject` of the server's `sublist.go`. */
function isValidSubject(subject: string): boolean {
  const tokens = subject.split(".");
  return tokens.every(
    (token, i) => token !== "" && !/[\t\n\f\r ]/.test(token) && (token !== ">" || i === tokens.length - 1),
  );
}
