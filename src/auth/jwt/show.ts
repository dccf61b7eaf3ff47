import { seedsIn } from "../../core/keys/nkey.ts";
import { quote } from "../../util/quote.ts";

/** Values of a token for messages. The token may be forged, and a client may have put anything into it. */

const MAX_ITEMS = 4;

/** A text in quotes, at most 64 characters of it; not a text that may be a private key or a token. */
export function show(value: unknown): string {
  if (typeof value === "string") return isSecret(value) ? "something (not shown)" : quote(value);
  if (Array.isArray(value)) return value.length > 0 ? showList(value.map(show), "and") : "an empty list";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  return value === undefined ? "missing" : "an object";
}

/** `"a", "b" or "c"`, cut after a few. */
export const oneOf = (values: readonly string[]): string => showList(values.map(quote), "or");

function showList(shown: readonly string[], word: "and" | "or"): string {
  if (shown.length > MAX_ITEMS) {
    return `${shown.slice(0, MAX_ITEMS).join(", ")} ${word} ${shown.length - MAX_ITEMS} more`;
  }
  const [last = "", ...before] = shown.toReversed();
  return before.length > 0 ? `${before.reverse().join(", ")} ${word} ${last}` : last;
}

const isSecret = (text: string) => seedsIn(text).length > 0 || text.includes("eyJ");
