import { seedsIn } from "../../core/keys/nkey.ts";
import { quote } from "../../util/quote.ts";

/** Values of a token for messages. The token may be forged, and a client may have put anything into it. */

const MAX_ITEMS = 4;
/** Characters that are searched for a private key: more than are shown, with the rest of a key that begins among them. */
const SEARCHED = 128;

/** A text in quotes, at most 64 characters of it; not a text that may be a private key or a token. */
export function show(value: unknown): string {
  if (typeof value === "string") return isSecret(value) ? "something (not shown)" : quote(value);
  if (Array.isArray(value)) return value.length > 0 ? showList(value, showItem, "and") : "an empty list";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  return value === undefined ? "missing" : "an object";
}

/** `"a", "b" or "c"`, cut after a few. */
export const oneOf = (values: readonly string[]): string => showList(values, quote, "or");

/** A list in a list is not shown, since it may have lists again: a message has few items. */
const showItem = (item: unknown) => (Array.isArray(item) ? "a list" : show(item));

function showList<T>(values: readonly T[], showItem: (value: T) => string, word: "and" | "or"): string {
  const shown = values.slice(0, MAX_ITEMS).map(showItem);
  if (values.length > MAX_ITEMS) return `${shown.join(", ")} ${word} ${values.length - MAX_ITEMS} more`;
  const [last = "", ...before] = shown.toReversed();
  return before.length > 0 ? `${before.reverse().join(", ")} ${word} ${last}` : last;
}

const isSecret = (text: string) => seedsIn(text.slice(0, SEARCHED)).length > 0 || text.includes("eyJ");
