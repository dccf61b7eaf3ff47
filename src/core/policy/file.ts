import { z } from "zod";
import { InvalidPolicyError, MintError } from "../errors.ts";
import { parseJsonFile, parseShape } from "../json-file.ts";
import { MAX_LIFETIME, MIN_LIFETIME } from "../lifetime.ts";
import { isRoleName, ROLE_NAME_RULE } from "../role-name.ts";
import { isSubjectToken, type SubjectToken } from "../subject-token.ts";
import { MAX_TAGS, parseTags } from "../tags.ts";
import {
  ALGORITHMS,
  ALLOW_HTTP,
  describeIssuerUrl,
  isIssuerName,
  isIssuerUrl,
  isKeySetUrl,
  issuerNames,
  type OidcIssuer,
  TENANT,
  type Transport,
} from "./issuer.ts";
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

const TESTS = ["equals", "one_of", "contains", "contains_word", "present"] as const;

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
const word = z.string().regex(/^\S+$/, "must be one word, without spaces");
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
    contains_word: word.optional(),
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
  [
    z.strictObject({ claim }),
    z.strictObject({ claim, strip_prefix: text }),
    z.strictObject({
      claim,
      values: z.record(text, token).refine((table) => Object.keys(table).length > 0),
    }),
    z.strictObject({ value: token }),
  ],
  'must be {"claim": …}, with "strip_prefix": "…" or "values": {"…": "…"} if needed, or {"value": …}, and a value one subject token',
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

const claimName = z.string().min(1, "must not be empty");
const tenant = z.string().regex(/^[\w.-]{1,64}$/, "must be 1 to 64 characters of A-Z, a-z, 0-9, _, . and -");
const url = (transport: Transport) =>
  z.string().refine((text) => isKeySetUrl(text, transport), {
    error: ({ input }) => `must be an https URL; http on localhost${hintAboutHttp(String(input))}`,
  });

const issuerOf = (transport: Transport) =>
  z
    .strictObject({
      issuer: z.string(),
      audience: list(text),
      audience_claim: claimName.optional(),
      tenants: list(tenant)
        .refine((all) => new Set(all).size === all.length, "has a tenant twice")
        .optional(),
      algorithms: list(z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(", ")}`)).optional(),
      discovery_url: url(transport).optional(),
      discovery_issuer: text.optional(),
      jwks_uri: url(transport).optional(),
    })
    .superRefine((issuer, context) => checkIssuer(issuer, context, transport), ALWAYS);

/** For a check of several fields: it runs also when one of them is wrong, so that all mistakes are reported at once. */
const ALWAYS = { when: () => true };

type IssuerFields = Partial<z.output<ReturnType<typeof issuerOf>>>;

/** Checks the fields that depend on each other. Each of them may be wrong by itself. */
function checkIssuer(
  value: unknown,
  { addIssue }: Pick<z.RefinementCtx, "addIssue">,
  transport: Transport,
): void {
  const { issuer, tenants, discovery_url, discovery_issuer, jwks_uri } = (value ?? {}) as IssuerFields;
  const refuse = (field: keyof IssuerFields, message: string) =>
    addIssue({ code: "custom", path: [field], message });
  if (typeof issuer !== "string") return;
  const places = issuer.split(TENANT).length - 1;
  const name = places === 1 ? issuer.replace(TENANT, "tenant") : issuer;
  const hasLocation = discovery_url !== undefined || jwks_uri !== undefined;
  if (places > 0 && !tenants) refuse("tenants", `is missing: the list of values for ${TENANT}`);
  else if (places > 1) refuse("issuer", `must contain ${TENANT} once`);
  else if (tenants && places === 0) refuse("issuer", `must contain ${TENANT}, in whose place tenants stand`);
  if (hasLocation ? !isIssuerName(name) : places > 0 || !isIssuerUrl(name, transport)) {
    refuse("issuer", `must be ${describeIssuerUrl(name)}${hasLocation ? "" : hintAboutLocation(name)}`);
  }
  if (jwks_uri !== undefined && (discovery_url ?? discovery_issuer) !== undefined) {
    refuse(
      "jwks_uri",
      "no discovery takes place with it: remove discovery_url and discovery_issuer, or jwks_uri",
    );
  }
}

/** What to do about a name under which no keys can be looked up. */
const hintAboutLocation = (name: string): string =>
  isIssuerName(name)
    ? `. If its tokens have this iss, say where its keys are: discovery_url or jwks_uri${hintAboutHttp(name)}`
    : "";

const hintAboutHttp = (url: string): string =>
  isKeySetUrl(url, { allowHttp: true })
    ? `. ${ALLOW_HTTP}=true accepts plain http, for prototyping only`
    : "";

const fileOf = (transport: Transport) =>
  z.strictObject({
    issuers: z
      .array(issuerOf(transport))
      .refine(
        (all) => !hasDuplicates(all.flatMap((one) => [...new Set(issuerNames(one))])),
        "has an issuer twice",
      )
      .default([]),
    user: z.strictObject({ claim, unique }).optional(),
    rules: z.array(rule),
  });

const hasDuplicates = (all: readonly string[]) => new Set(all).size < all.length;

/** The schemas without and with plain http. */
const FILE = fileOf({});
const FILE_WITH_HTTP = fileOf({ allowHttp: true });

/**
 * The policy in the text of `policy.json`.
 * @param text undefined when there is no such file, which is an error
 * @throws {InvalidPolicyError} with one line for each mistake
 */
export function parsePolicyFile(text: string | undefined, transport?: Transport): PolicyFile {
  if (text === undefined) throw new InvalidPolicyError("the policy file does not exist");
  return parsePolicy(parseJsonFile(text, "the policy", InvalidPolicyError), transport);
}

/**
 * The policy in a JSON value.
 * @throws {InvalidPolicyError} with one line for each mistake
 */
export function parsePolicy(json: unknown, { allowHttp = false }: Transport = {}): PolicyFile {
  const schema = allowHttp ? FILE_WITH_HTTP : FILE;
  const { issuers, user, rules } = parseShape(schema, json, InvalidPolicyError);
  return {
    issuers: issuers.map(toIssuer),
    user,
    // The schema has checked that there is exactly one test; its type doesn't express that.
    rules: rules as PolicyRules["rules"],
  };
}

/** The fields under the names of the code; a field that is not set is absent. */
function toIssuer({
  audience_claim,
  discovery_url,
  discovery_issuer,
  jwks_uri,
  tenants,
  algorithms,
  ...known
}: z.output<ReturnType<typeof issuerOf>>): OidcIssuer {
  return {
    ...known,
    ...(audience_claim !== undefined && { audienceClaim: audience_claim }),
    ...(tenants && { tenants }),
    ...(algorithms && { algorithms }),
    ...(discovery_url !== undefined && { discoveryUrl: discovery_url }),
    ...(discovery_issuer !== undefined && { discoveryIssuer: discovery_issuer }),
    ...(jwks_uri !== undefined && { jwksUri: jwks_uri }),
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
