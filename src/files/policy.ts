import { InvalidPolicyError } from "../core/errors.ts";
import { type PolicyFile, parsePolicy } from "../core/policy/file.ts";
import { JsonError, parseJson } from "../util/strict-json.ts";

/**
 * Reads the text of `policy.json`.
 * @param text undefined when there is no such file
 * @throws {InvalidPolicyError} that lists everything wrong, one line per place
 */
export function parsePolicyFile(text: string | undefined): PolicyFile {
  if (text === undefined) throw new InvalidPolicyError("the policy file does not exist");
  try {
    return parsePolicy(parseJson(text));
  } catch (error) {
    if (error instanceof JsonError) throw new InvalidPolicyError(`the policy ${error.message}`);
    throw error;
  }
}
