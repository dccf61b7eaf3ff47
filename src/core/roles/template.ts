import { quote } from "../../util/quote.ts";
import { InvalidKeysError, InvalidTagError } from "../errors.ts";
import type { UserPublicKey } from "../keys/nkey.ts";
import type { SubjectToken } from "../subject-token.ts";
import type { Account } from "./account.ts";

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

/** Undefined for a tag that the user hasn't got. */
type ValueOf = (user: TemplateUser) => string | undefined;

/** A `{{…}}` whose value each user has of their own, or whose values are the account's. */
interface Token {
  readonly text: string;
  /** The tag's name, when it is one: only a tag can be missing. */
  readonly tag: string | undefined;
  readonly from: { readonly user: ValueOf } | { readonly account: readonly string[] };
}

/** A subject in which only users' own values are left to be filled in: between the literals, which are one more. */
interface Prepared {
  readonly literals: readonly string[];
  readonly values: readonly { readonly tag: string | undefined; readonly of: ValueOf }[];
  /** Each user's value is one literal token, so that this is the same for all. */
  readonly isValid: boolean;
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
    const value = values[i]?.of(user);
    if (value === undefined) return onMissing(values[i]?.tag);
    result += value + literals[i + 1];
  }
  return result;
}

/** Stands for the value of the user, until there is one: the number of the token between two NULs. */
const PLACEHOLDER = /\0(\d+)\0/;

/** Fills in what the account has, once; a subject comes out for each combination of its values. */
function compileSubject(subject: string, account: Account) {
  const tokens = parseTokens(subject, account);
  const ofAccount = tokens.flatMap(({ from }) => ("account" in from ? from.account : []));
  if ([subject, ...ofAccount].some((text) => text.includes("\0"))) {
    throw new InvalidKeysError(`the subject ${quote(subject)} has a NUL in it`);
  }
  const missing = tokens.find(({ from }) => "account" in from && from.account.length === 0)?.tag;
  const values = tokens.map(({ from }, i) => ("account" in from ? from.account : [`\0${i}\0`]));
  if (values.reduce((count, { length }) => count * length, 1) > MAX_SUBJECTS) throw tooMany(subject);
  const combinations = product(values).map((combination) => {
    // One token after the other, everywhere it stands: the same token twice has the same value twice.
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
      return token && "user" in token.from ? [{ tag: token.tag, of: token.from.user }] : [];
    }),
    isValid: isValidSubject(text),
  };
}

const tooMany = (subject: string) =>
  new InvalidKeysError(`the subject ${quote(subject)} comes out as more than ${MAX_SUBJECTS}`);

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
