import { z } from "zod";
import { InvalidPolicyError, MintError } from "../errors.ts";
import { parseJsonFile, parseShape } from "../json-file.ts";
import { MAX_LIFETIME, MIN_LIFETIME } from "../lifetime.ts";
import { isRoleName, ROLE_NAME_RULE } from "../role-name.ts";
import { isSubjectToken, type SubjectToken } from "../subject-token.ts";
import { MAX_TAGS, parseTags } from "../tags.ts";
import { ALGORITHMS, describeIssuerUrl, isIssuerUrl, isKeySetUrl, type OidcIssuer } from "./issuer.ts";
import type { PolicyRules } from "./rules.ts";

/**
 * The shape of `policy.json`. It is strict everywhere: a misspelt condition that was ignored would grant more than was
 * meant.
 */

/** A policy file's content. */
export interface PolicyFile extends PolicyRules {
  /** Issuers whose tokens are accepted, besides the issuer in the settings. */
  readonly issuers: readonly OidcIssuer[];
}

const TESTS = ["equals", "one_of", "contains", "present"] as const;

const text = z.string().min(1, "must not be empty");
const list = <T extends z.ZodType>(item: T) => z.array(item).min(1, "must not be empty");
const token = z.string().refine(isSubjectToken, "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -");
// Among larger integers, different numbers in the file become the same value.
const number = z.number().refine((value) => !Number.isInteger(value) || Number.isSafeInteger(value));
const scalar = z.union(
  [z.string(), number, z.boolean()],
  "must be a text, a number of at most 2^53 - 1, true or false",
);
const claim = z.union([text, list(text)], "must be a claim's name, or the list of names that lead to it");
const literallyTrue = z.literal(true, "must be true, or left out");
const unique = z.literal(
  true,
  "must be true, to confirm that no two callers have the same value in this claim",
);

const condition = z
  .strictObject({
    claim,
    equals: scalar.optional(),
    one_of: list(scalar).optional(),
    contains: scalar.optional(),
    present: literallyTrue.optional(),
  })
  .refine(
    (condition) => TESTS.filter((test) => condition[test] !== undefined).length === 1,
    `needs exactly one of ${TESTS.join(", ")}`,
  );

const when = z.strictObject({
  issuer: text.optional(),
  claims: list(condition).optional(),
});

const tagName = z.string().refine(isTagName, "a tag's name is 1 to 64 characters of a-z, 0-9, _ and -");
const tagSource = z.union(
  [z.strictObject({ claim }), z.strictObject({ value: token })],
  'must be {"claim": …} or {"value": …}, and a value one subject token',
);

const rule = z.strictObject({
  description: z.string().optional(),
  when,
  grant: z.strictObject({
    role: z.string().refine(isRoleName, `must be ${ROLE_NAME_RULE}`),
    tags: z
      .record(tagName, tagSource)
      .refine((tags) => Object.keys(tags).length <= MAX_TAGS, `at most ${MAX_TAGS} tags`)
      .optional(),
    ttl: z
      .int("must be a whole number of seconds")
      .min(MIN_LIFETIME, `must be at least ${MIN_LIFETIME}`)
      .max(MAX_LIFETIME, `must be at most ${MAX_LIFETIME}`)
      .optional(),
  }),
});

const issuer = z.strictObject({
  issuer: z
    .string()
    .refine(isIssuerUrl, { error: ({ input }) => `must be ${describeIssuerUrl(String(input))}` }),
  audience: list(text),
  algorithms: list(z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(", ")}`)).optional(),
  jwks_uri: z.string().refine(isKeySetUrl, "must be an https URL; http on localhost").optional(),
});

const file = z.strictObject({
  issuers: z
    .array(issuer)
    .refine((all) => new Set(all.map(({ issuer }) => issuer)).size === all.length, "has an issuer twice")
    .default([]),
  user: z.strictObject({ claim, unique }).optional(),
  rules: z.array(rule),
});

/**
 * The policy in the text of `policy.json`.
 * @param text undefined when there is no such file, which is an error
 * @throws {InvalidPolicyError} with one line for each mistake
 */
export function parsePolicyFile(text: string | undefined): PolicyFile {
  if (text === undefined) throw new InvalidPolicyError("the policy file does not exist");
  return parsePolicy(parseJsonFile(text, "the policy", InvalidPolicyError));
}

/**
 * The policy in a JSON value.
 * @throws {InvalidPolicyError} with one line for each mistake
 */
export function parsePolicy(json: unknown): PolicyFile {
  const { issuers, user, rules } = parseShape(file, json, InvalidPolicyError);
  return {
    issuers: issuers.map(({ jwks_uri, algorithms, ...known }) => ({
      ...known,
      ...(algorithms && { algorithms }),
      ...(jwks_uri !== undefined && { jwksUri: jwks_uri }),
    })),
    user,
    // The schema has checked that there is exactly one test; its type doesn't express that.
    rules: rules as PolicyRules["rules"],
  };
}

function isTagName(name: string): boolean {
  try {
    parseTags({ [name]: "x" as SubjectToken });
    return true;
  } catch (error) {
    if (error instanceof MintError) return false;
    throw error;
  }
}
