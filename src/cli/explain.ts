import type { CliConfig } from "../config/cli.ts";
import { InvalidTagError, MintError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Grant, Identity, Requested } from "../core/identity.ts";
import { parseLifetime } from "../core/lifetime.ts";
import type { Mint } from "../core/mint.ts";
import { explainRules, type RuleVerdict } from "../core/policy/explain.ts";
import type { Permissions } from "../core/roles/role.ts";
import { parseTags } from "../core/tags.ts";
import { readIdentity } from "./identity.ts";
import { loadMint, loadPolicy } from "./load.ts";
import { showExplanation } from "./show.ts";
import { parseOptions, rejectExtraArgs, UsageError } from "./usage.ts";

/** What the mint would grant to a token, and why. Contains no secret and no credential. */
export interface Explanation {
  readonly issuer: string;
  readonly subject: string;
  readonly rules: readonly RuleVerdict[];
  /** Remarks that are not about the rules. */
  readonly notes: readonly string[];
  readonly granted?: Granted;
  readonly refused?: { readonly code: string; readonly reason: string };
}

export interface Granted {
  readonly user: string;
  readonly user_from: "claim" | "issuer and subject";
  readonly role: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The lifetime in seconds. Without keys that of the rule or the request; undefined when neither has one. */
  readonly ttl?: number;
  /** Undefined without keys. */
  readonly permissions?: Permissions;
}

/** `explain` */
export async function explainCommand(args: string[], config: CliConfig): Promise<number> {
  const { values, positionals } = parseOptions(args, {
    claims: { type: "string" },
    issuer: { type: "string" },
    role: { type: "string" },
    tag: { type: "string", multiple: true },
    ttl: { type: "string" },
    json: { type: "boolean" },
  });
  rejectExtraArgs(positionals);
  if (values.claims === undefined) {
    throw new UsageError(
      "explain: --claims is missing; it takes a file with the decoded claims of a token, or - for standard input",
    );
  }
  const requested = readRequest(values);
  const identity = await readIdentity(values.claims, values.issuer);
  const explanation = await explain(config, identity, requested);
  console.log(values.json ? JSON.stringify(explanation, null, 2) : showExplanation(explanation));
  return explanation.granted ? 0 : 1;
}

async function explain(config: CliConfig, identity: Identity, requested: Requested): Promise<Explanation> {
  const { file, grant: policy } = await loadPolicy(config);
  const mint = await loadMint(config);
  const notes = mint
    ? []
    : [`there are no keys in ${config.keysDir}, so the permissions of the role are unknown`];
  const common = {
    issuer: identity.issuer,
    subject: identity.subject,
    rules: explainRules(file, identity, requested),
    notes,
  };
  try {
    const grant = policy(identity, requested);
    const user_from = file.user ? "claim" : "issuer and subject";
    return { ...common, granted: { user_from, ...describeGrant(grant, mint) } };
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    return { ...common, refused: { code: error.code, reason: reasonOf(error, common.rules) } };
  }
}

const UNKNOWN_ISSUER =
  "tokens of this issuer are not accepted: it is neither OIDC_ISSUER nor one of the policy's issuers";

/** What would be issued, without the credential. */
function describeGrant(grant: Grant, mint: Mint | undefined): Omit<Granted, "user_from"> {
  const { user, role, tags = {}, ttl } = grant;
  if (!mint) return { user, role, tags, ...(ttl !== undefined && { ttl }) };
  const { permissions, issuedAt, expiresAt } = mint.issue(grant);
  return { user, role, tags, ttl: expiresAt - issuedAt, permissions };
}

function reasonOf(error: MintError, rules: readonly RuleVerdict[]): string {
  if (error instanceof UnauthorizedError) return UNKNOWN_ISSUER;
  if (!(error instanceof RoleNotAllowedError)) return error.message;
  // A response over HTTP does not tell the two apart.
  const match = rules.find(({ matches }) => matches);
  return match ? `the mint has no key for the role ${match.role}` : "no rule matches";
}

/** The request that the options stand for. */
function readRequest({ role, tag = [], ttl }: { role?: string; tag?: string[]; ttl?: string }): Requested {
  const pairs = tag.map((text): [string, string] => {
    const [name = "", ...value] = text.split("=");
    return [name, value.join("=")];
  });
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new InvalidTagError("--tag: a tag can have only one value");
  }
  return {
    ...(role !== undefined && { role }),
    ...(tag.length > 0 && { tags: parseTags(Object.fromEntries(pairs)) }),
    ...(ttl !== undefined && { ttl: parseLifetime(/^\d+$/.test(ttl) ? Number(ttl) : undefined) }),
  };
}
