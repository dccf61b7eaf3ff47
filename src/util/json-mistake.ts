/** Finds where a text stops being JSON (RFC 8259). `JSON.parse` says it differently in each runtime, or not at all. */

/** The first mistake: its place, and what should be there. Quotes nothing of the text. */
export interface JsonMistake {
  readonly place: string;
  readonly wanted: string;
}

/** A place in a text, both numbers counted from 1: `line 3, column 5`. */
export function placeOf(text: string, at: number): string {
  const lines = text.slice(0, at).split("\n");
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`;
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)/y;
/** Up to its end: any characters but control characters, `"` and `\`. */
const STRING = /"(?:[ -!#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/y;

/** What may come next. */
type Next = "value" | "value or ]" | "name" | "name or }" | ":" | ", or end";

/** The first mistake in a text; undefined when it is valid JSON. */
export function findJsonMistake(text: string): JsonMistake | undefined {
  /** The ends of the lists and objects that are open. */
  const open: ("]" | "}")[] = [];
  let next: Next = "value";
  let at = 0;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const mistake = (wanted: string): JsonMistake => ({ place: placeOf(text, at), wanted });
  const isClosed = (end: "]" | "}") => {
    if (text[at] !== end || open.at(-1) !== end) return false;
    at++;
    open.pop();
    next = ", or end";
    return true;
  };
  /** Whether a string is at this place; a mistake when there is one that does not end. */
  const string = (): boolean | JsonMistake => {
    if (match(STRING) === undefined) return false;
    if (text[at] !== '"')
      return mistake(text[at] === "\\" ? "a valid escape after \\" : 'the " that ends the text');
    at++;
    return true;
  };

  while (true) {
    match(SPACE);
    if (next === ", or end") {
      const end = open.at(-1);
      if (end === undefined) return at === text.length ? undefined : mistake("nothing more");
      if (isClosed(end)) continue;
      if (text[at] !== ",") return mistake(`, or ${end}${hintAt(text, at)}`);
      at++;
      next = end === "}" ? "name" : "value";
    } else if (next === ":") {
      if (text[at] !== ":") return mistake(":");
      at++;
      next = "value";
    } else if (next === "name" || next === "name or }") {
      if (next === "name or }" && isClosed("}")) continue;
      const found = string();
      if (typeof found === "object") return found;
      if (!found) return mistake(`a name in double quotes${hintAt(text, at)}`);
      next = ":";
    } else {
      if (next === "value or ]" && isClosed("]")) continue;
      if (text[at] === "{" || text[at] === "[") {
        open.push(text[at] === "{" ? "}" : "]");
        next = text[at] === "{" ? "name or }" : "value or ]";
        at++;
        continue;
      }
      const found = string() || match(SCALAR) !== undefined;
      if (typeof found === "object") return found;
      if (!found) return mistake(`a value${hintAt(text, at)}`);
      next = ", or end";
    }
  }
}

/** What is often there instead. */
function hintAt(text: string, at: number): string {
  const char = text[at];
  if (char === undefined) return "; the text ends here";
  if (char === "'") return "; texts are in double quotes";
  if (char === "/" || char === "#") return "; JSON has no comments";
  if (isAfterComma(text, at)) return "; there is no comma before the end of a list or an object";
  if (char === "\ufeff") return "; there is a byte order mark";
  return "";
}

const isAfterComma = (text: string, at: number) =>
  (text[at] === "}" || text[at] === "]") && text.slice(0, at).trimEnd().endsWith(",");
