/**
 * JSON, where a mistake must not pass for a wish: `JSON.parse` takes the last of two fields of one name without a word,
 * and a rule's first `when` would be gone.
 */

/** Why a text is not taken as JSON; the message names the place, but nothing of the text save names of fields. */
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
    // The engine's own message may repeat the text.
    throw new JsonError("is not JSON, or only a part of it");
  }
  checkNames(text);
  return value;
}

const LEXEME = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/** Goes through a text that is known to be JSON, so that only strings and punctuation matter. */
function checkNames(text: string): void {
  /** For each object that is open the names it has so far; for each list nothing. */
  const open: (Set<string> | undefined)[] = [];
  let lastString = "";
  for (const { 0: lexeme, index } of text.matchAll(LEXEME)) {
    if (lexeme === "{") open.push(new Set());
    else if (lexeme === "[") open.push(undefined);
    else if (lexeme === "}" || lexeme === "]") open.pop();
    else if (lexeme.startsWith('"')) lastString = lexeme;
    else if (lexeme === ":") {
      const name = JSON.parse(lastString) as string;
      const names = open.at(-1);
      const line = text.slice(0, index).split("\n").length;
      const shown = JSON.stringify(name.slice(0, 64));
      if (names?.has(name)) throw new JsonError(`line ${line}: the field ${shown} is there twice`);
      if (name === "__proto__") throw new JsonError(`line ${line}: a field can't be called ${shown}`);
      names?.add(name);
    }
  }
}
