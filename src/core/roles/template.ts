import { quote } from "../../util/quote.ts";
import { InvalidKeysError, InvalidTagError } from "../errors.ts";
import type { UserPublicKey } from "../keys/nkey.ts";
import type { SubjectToken } from "../subject-token.ts";
import type { Account } from "./account.ts";

/**
 * Permission templates of scoped signing keys, filled in the way the server fills them in:
 * `processUserPermissionsTemplate` in nats-server's `server/auth.go`, quirks included, so that the permissions in the
 * mint's response are those that the server enforces.
 */

/** The user that a template is filled in for. */
export interface TemplateUser {
  readonly name: SubjectToken;
  readonly subject: UserPublicKey;
  /** The value of the user's tag with this name, if it has one. */
  tag(name: string): SubjectToken | undefined;
}

/** A list of subjects, ready to be filled in. */
export type SubjectList = (user: TemplateUser) => readonly string[];

const TOKEN = /\{\{([^}]+)\}\}/g;
const MAX_SUBJECTS = 4096;

/** Undefined for a tag that the user doesn't have. */
type UserValue = (user: TemplateUser) => string | undefined;

/** A `{{…}}`. It has one value per user, or one or several values from the account. */
interface Token {
  readonly text: string;
  /** The tag's name, if the token is a tag: only a tag can be missing. */
  readonly tag: string | undefined;
  readonly from: { readonly user: UserValue } | { readonly account: readonly string[] };
}

/**
 * A subject with the account's values filled in. The user's values go between the literals, of which there is one more
 * than of values.
 */
interface Prepared {
  readonly literals: readonly string[];
  readonly values: readonly { readonly tag: string | undefined; readonly valueFor: UserValue }[];
  /** Whether the subject is valid. The same for all users, since a user's value is always one literal token. */
  readonly isValid: boolean;
}

/**
 * Prepares an allow list. A subject that is invalid once filled in is left out.
 * @throws {InvalidKeysError} for a template function that the server doesn't know
 */
export function compileAllow(list: readonly string[], account: Account): SubjectList {
  return compileList(list, account, () => {});
}

/**
 * Prepares a deny list. An invalid subject would deny less than was meant, so the server refuses the connection, and
 * the mint refuses the credential.
 * @throws {InvalidKeysError} for a template function that the server doesn't know; when filled in, also for an invalid
 * subject, and InvalidTagError for a tag without a value
 */
export function compileDeny(list: readonly string[], account: Account): SubjectList {
  return compileList(list, account, (subject, missing) => {
    if (missing !== undefined) throw new InvalidTagError(`the role needs the tag ${quote(missing)}`);
    throw new InvalidKeysError(
      `the denied subject ${quote(subject)} is invalid once its template is filled in`,
    );
  });
}

type OnInvalid = (subject: string, missingTag?: string) => void;

function compileList(list: readonly string[], account: Account, onInvalid: OnInvalid): SubjectList {
  // The server uses a list without templates as it is, unchecked; in a list with one, it checks every subject.
  if (!list.some((subject) => subject.match(TOKEN))) return () => list;
  const compiled = list.map((subject) => compileSubject(subject, account));
  return (user) => {
    const filled: string[] = [];
    for (const { subject, missing, combinations } of compiled) {
      if (filled.length + combinations.length > MAX_SUBJECTS) throw tooMany(subject);
      if (missing !== undefined) onInvalid(subject, missing);
      for (const prepared of combinations) {
        const result = fill(prepared, user, (tag) => onInvalid(subject, tag));
        if (result === undefined) continue;
        if (prepared.isValid) filled.push(result);
        else onInvalid(subject);
      }
    }
    return filled;
  };
}

function fill({ literals, values }: Prepared, user: TemplateUser, onMissing: (tag?: string) => void) {
  let result = literals[0] ?? "";
  for (let i = 0; i < values.length; i++) {
    const value = values[i]?.valueFor(user);
    if (value === undefined) return onMissing(values[i]?.tag);
    result += value + literals[i + 1];
  }
  return result;
}

/** Marks the place of a user's value: the token's index between two NULs. */
const PLACEHOLDER = /\0(\d+)\0/;

/** Fills in the account's values. The result has one subject for each combination of them. */
function compileSubject(subject: string, account: Account) {
  const tokens = parseTokens(subject, account);
  const accountValues = tokens.flatMap(({ from }) => ("account" in from ? from.account : []));
  if ([subject, ...accountValues].some((text) => text.includes("\0"))) {
    throw new InvalidKeysError(`the subject ${quote(subject)} contains a NUL`);
  }
  const missing = tokens.find(({ from }) => "account" in from && from.account.length === 0)?.tag;
  const values = tokens.map(({ from }, i) => ("account" in from ? from.account : [`\0${i}\0`]));
  if (values.reduce((count, { length }) => count * length, 1) > MAX_SUBJECTS) throw tooMany(subject);
  const combinations = product(values).map((combination) => {
    // A token is replaced everywhere in the subject: the same token twice has the same value twice.
    const text = tokens.reduce((text, token, i) => text.split(token.text).join(combination[i]), subject);
    return prepare(text, tokens);
  });
  return { subject, missing, combinations };
}

function prepare(text: string, tokens: readonly Token[]): Prepared {
  const parts = text.split(PLACEHOLDER);
  return {
    literals: parts.filter((_, i) => i % 2 === 0),
    values: parts.flatMap((part, i) => {
      const token = i % 2 === 1 ? tokens[Number(part)] : undefined;
      return token && "user" in token.from ? [{ tag: token.tag, valueFor: token.from.user }] : [];
    }),
    isValid: isValidSubject(text),
  };
}

const tooMany = (subject: string) =>
  new InvalidKeysError(`the subject ${quote(subject)} expands to more than ${MAX_SUBJECTS} subjects`);

function parseTokens(subject: string, account: Account): Token[] {
  return [...subject.matchAll(TOKEN)].map(([text, inside = ""]) => {
    const operation = inside.trim();
    const from = parseOperation(operation, account);
    if (from) return { text, tag: undefined, from };
    const tag = parseTag(operation);
    if (!tag) throw new InvalidKeysError(`the template function ${quote(operation)} does not exist`);
    const { name, ofAccount } = tag;
    return {
      text,
      tag: name,
      from: ofAccount ? accountTag(name, account) : { user: (user) => user.tag(name) },
    };
  });
}

function parseOperation(operation: string, account: Account): Token["from"] | undefined {
  switch (operation.toLowerCase()) {
    case "name()":
      return { user: (user) => user.name };
    case "subject()":
      return { user: (user) => user.subject };
    case "account-name()":
      return { account: [account.name] };
    case "account-subject()":
      return { account: [account.publicKey] };
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

function accountTag(name: string, { tags }: Account): Token["from"] {
  const start = `${name}:`;
  return { account: tags.filter((tag) => tag.startsWith(start)).map((tag) => tag.slice(start.length)) };
}

/** Every combination of one value from each list, the last list varying fastest. */
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
