import { existsSync, readFileSync } from "node:fs";
import { ConfigError } from "../core/errors.ts";
import { quote } from "../util/quote.ts";

/**
 * Reads `.env` files as Docker Compose does (`dotenv/parser.go` of compose-go), so that `npm start` and
 * `docker compose up` have the same settings: quotes, escapes, comments and variables in values.
 */

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The variables of a file; none where it does not exist.
 * @param environment the values of variables in values, before those of the file
 * @throws {ConfigError} with the file and the line, for what Compose refuses too
 */
export function readEnvFile(path: string, environment: Variables): Record<string, string> {
  if (!existsSync(path)) return {};
  return parseEnvFile(decode(readFileSync(path), path), environment, path);
}

function decode(bytes: Uint8Array, path: string): string {
  try {
    if (bytes.includes(0)) throw new Error("UTF-16");
    // Removes the byte order mark that some editors write.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(`${path}: is not UTF-8. Save it as UTF-8: some editors on Windows write UTF-16`);
  }
}

/** A name, and `=` or `:` behind it; without either, the name of a variable that the environment may have. */
const STATEMENT = /^(?:export\s+)?([\p{L}\p{N}_.\-[\]]*)[^\S\n]*(?:([=:])[^\S\n]*|(?=\n|$))/u;

/**
 * @param path for messages
 * @throws {ConfigError}
 */
export function parseEnvFile(text: string, environment: Variables, path = ".env"): Record<string, string> {
  const variables: Record<string, string> = {};
  const lookUp = (name: string) => environment[name] ?? variables[name];
  const refuse = (at: number, why: string) =>
    new ConfigError(`${path}, line ${text.slice(0, at).split("\n").length}: ${why}`);
  let at = 0;
  for (;;) {
    at += /^(?:\s+|#[^\n]*)*/.exec(text.slice(at))?.[0].length ?? 0;
    if (at >= text.length) return variables;
    const rest = text.slice(at);
    const [statement, name = "", sign] = STATEMENT.exec(rest) ?? [];
    if (statement === undefined) {
      throw refuse(at, `wanted NAME=value, got ${quote(rest.split("\n")[0] ?? "")}`);
    }
    const start = at + statement.length;
    if (sign === undefined) {
      const inherited = environment[name];
      if (inherited !== undefined) variables[name] = inherited;
      at = start + 1;
      continue;
    }
    try {
      const { value, length } = readValue(text.slice(start), lookUp);
      variables[name] = value;
      at = start + length;
    } catch (error) {
      if (error instanceof ValueError) throw refuse(start, `${name}: ${error.message}`);
      throw error;
    }
  }
}

class ValueError extends Error {}

type LookUp = (name: string) => string | undefined;

function readValue(text: string, lookUp: LookUp): { value: string; length: number } {
  const mark = text[0];
  if (mark !== '"' && mark !== "'") {
    const line = text.split("\n", 1)[0] ?? "";
    const value = (line.split(" #", 1)[0] ?? "").trimEnd();
    return { value: substitute(value, lookUp), length: line.length };
  }
  const end = closingMark(text, mark);
  if (end === undefined) throw new ValueError(`the quote ${mark} is not closed`);
  const inside = text.slice(1, end).replaceAll(`\\${mark}`, mark);
  const value = mark === "'" ? inside : substitute(inside.replace(ESCAPE, unescapeSequence), lookUp);
  return { value, length: end + 1 };
}

function closingMark(text: string, mark: string): number | undefined {
  for (let i = 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === mark) return i;
  }
  return undefined;
}

const ESCAPE = /\\(?:[abcfnrtv$"\\]|0\d{0,3})/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "\\a": "\x07",
  "\\b": "\b",
  "\\f": "\f",
  "\\n": "\n",
  "\\r": "\r",
  "\\t": "\t",
  "\\v": "\v",
  '\\"': '"',
  "\\\\": "\\",
};

const unescapeSequence = (sequence: string): string =>
  sequence.startsWith("\\0")
    ? String.fromCharCode(Number.parseInt(sequence.slice(1), 8))
    : (ESCAPES[sequence] ?? sequence);

/** `$$`, `$NAME`, `${NAME}` and `${NAME` with an operator; another `$` is kept. */
const VARIABLE = /\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)(?:(:?[-+?])([^{}]*))?\}|(\{))/gi;

function substitute(value: string, lookUp: LookUp): string {
  return value.replace(VARIABLE, (_, dollar, plain, braced, operator = "", word = "", invalid) => {
    if (dollar) return "$";
    if (invalid) throw new ValueError(`\${…} is not closed, or nested, in ${quote(value)}`);
    const name = plain ?? braced;
    const found = lookUp(name);
    const isSet = operator.startsWith(":") ? Boolean(found) : found !== undefined;
    if (operator.endsWith("-")) return isSet ? (found ?? "") : substitute(word, lookUp);
    if (operator.endsWith("+")) return isSet ? substitute(word, lookUp) : "";
    if (operator.endsWith("?") && !isSet) throw new ValueError(`needs ${name}: ${word || "it is not set"}`);
    return found ?? "";
  });
}
