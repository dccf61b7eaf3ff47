import type { z } from "zod";
import { JsonError, parseJson } from "../util/strict-json.ts";
import { formatZodIssues } from "../util/zod-issues.ts";
import type { MintError } from "./errors.ts";

/** Reads the JSON files that an operator maintains: strict JSON, a strict shape, and one error with all mistakes. */

type ErrorClass = new (message: string) => MintError;

/**
 * Parses a file's text.
 * @param what the file's name in messages, such as `the policy`
 * @throws {MintError} of the given class, when the text is not strict JSON
 */
export function parseJsonFile(text: string, what: string, InvalidFileError: ErrorClass): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidFileError(`${what} ${error.message}`);
    throw error;
  }
}

/**
 * Checks a JSON value against a schema and returns the schema's output.
 * @throws {MintError} of the given class, with one line for each mistake
 */
export function parseShape<S extends z.ZodType>(
  schema: S,
  json: unknown,
  InvalidFileError: ErrorClass,
): z.output<S> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new InvalidFileError(formatZodIssues(parsed.error, json).join("\n"));
  return parsed.data;
}
