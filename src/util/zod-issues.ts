import type { z } from "zod";
import { quote } from "./quote.ts";

/**
 * The mistakes that zod found in a JSON value, one line each: the place, `rules[2].when.claims[0]`, and what is expected
 * there. Quotes nothing of the value but names of fields.
 */
export function formatZodIssues(error: z.ZodError, json: unknown): string[] {
  return error.issues.flatMap((issue) => {
    const at = (path: readonly PropertyKey[]) => `${showPlace(path)}: `;
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => `${at(issue.path)}unknown field ${quote(key)}`);
    }
    if (issue.code === "invalid_key") {
      return `${at(issue.path)}${issue.issues[0]?.message ?? "is not a valid name"}`;
    }
    if (issue.code === "invalid_type") {
      const isMissing = valueAt(json, issue.path) === undefined;
      return `${at(issue.path)}${isMissing ? "is missing" : `must be ${withArticle(issue.expected)}`}`;
    }
    return `${at(issue.path)}${issue.message}`;
  });
}

/** A path in a JSON value as text: `rules[2].grant.tags.room`; the empty path is `the top level`. */
export function showPlace(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>((before, step) => {
    if (typeof step === "number") return `${before}[${step}]`;
    const name = /^[A-Za-z0-9_-]{1,64}$/.test(String(step)) ? String(step) : quote(String(step));
    return before ? `${before}.${name}` : name;
  }, "");
  return text || "the top level";
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (value as Record<PropertyKey, unknown> | undefined)?.[step],
    json,
  );
}

const NAMES: Readonly<Record<string, string>> = {
  array: "a list",
  int: "a whole number",
  object: "an object",
};
const withArticle = (type: string) => NAMES[type] ?? `a ${type}`;
