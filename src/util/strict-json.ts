import { findJsonMistake, placeOf } from "./json-mistake.ts";

/**
 * Strict JSON, for files in which a mistake must not change the meaning: of two fields with the same name `JSON.parse`
 * silently keeps the last one, so that a rule would lose its first `when`.
 */

/** A text that is not strict JSON. The message names the place, and quotes nothing of the text but names of fields. */
export class JsonError extends Error {
  override name = "JsonError";
}

/**
 * The value of a JSON text (RFC 8259) in which every object has each name once, and none is `__proto__`.
 * @throws {JsonError}
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of JSON.parse may quote the text.
    const mistake = findJsonMistake(text);
    throw new JsonError(
      `is not valid JSON${mistake ? ` at ${mistake.place}: wanted ${mistake.wanted}` : ""}`,
    );
  }
  checkNames(text);
  return value;
}

const LEXEME = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** Checks the names of fields in valid JSON, in which only strings and punctuation matter for that. */
function checkNames(text: string): void {
  /** The enclosing objects, each with the names that it has so far, and lists as undefined. */
  const open: (Set<string> | undefined)[] = [];
  let lastString = "";
  let lastPlace = 0;
  for (const { 0: lexeme, index } of text.matchAll(LEXEME)) {
    if (lexeme === "{") open.push(new Set());
    else if (lexeme === "[") open.push(undefined);
    else if (lexeme === "}" || lexeme === "]") open.pop();
    else if (lexeme.startsWith('"')) {
      lastString = lexeme;
      lastPlace = index;
    } else if (lexeme === ":") {
      const name = JSON.parse(lastString) as string;
      const names = open.at(-1);
      const shown = JSON.stringify(name.slice(0, 64));
      const refuse = (why: string) => new JsonError(`has a ${why} ${shown} at ${placeOf(text, lastPlace)}`);
      if (names?.has(name)) throw refuse("duplicate field");
      if (name === "__proto__") throw refuse("field with the forbidden name");
      names?.add(name);
    }
  }
}
