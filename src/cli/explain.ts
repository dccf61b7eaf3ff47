import type { CliConfig } from "../config/config.ts";
import { InvalidTagError, MintError, RoleNotAllowedError, UnauthorizedError } from "../core/errors.ts";
import type { Asked, Grant, Identity } from "../core/identity.ts";
import { parseLifetime } from "../core/lifetime.ts";
import type { Mint } from "../core/mint.ts";
import { explainRules, type RuleVerdict } from "../core/policy/explain.ts";
import type { Permissions } from "../core/roles/role.ts";
import { parseTags } from "../core/tags.ts";
import { readIdentity } from "./identity.ts";
import { loadMint, loadPolicy } from "./policy.ts";
import { showExplanation } from "./show.ts";
import { options, rejectExtraArgs, UsageError } from "./usage.ts";

/** What the mint would answer to a caller, and why. Nothing in it is of use to log in. */
export interface Explanation {
  readonly issuer: string;
  readonly subject: string;
  readonly rules: readonly RuleVerdict[];
  /** What strikes one apart from the rules. */
  readonly notes: readonly string[];
  readonly granted?: Granted;
  readonly refused?: { readonly code: string; readonly reason: string };
}

export interface Granted {
  readonly user: string;
  readonly user_from: "claim" | "issuer and subject";
  readonly role: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Seconds; of the role only when its key is there. */
  readonly ttl?: number;
  readonly permissions?: Permissions;
}

/** `explain` */
export async function explainCommand(args: string[], config: CliConfig): Promise<number> {
  const { values, positionals } = options(args, {
    claims: { type: "string" },
    issuer: { type: "string" },
    role: { type: "string" },
    tag: { type: "string", multiple: true },
    ttl: { type: "string" },
    json: { type: "boolean" },
  });
  rejectExtraArgs(positionals);
  if (values.claims === undefined) {
    throw new UsageError("explain: --claims, a file with a token's claims, or - for standard input");
  }
  const asked = readAsked(values);
  const identity = await readIdentity(values.claims, values.issuer);
  const explanation = await explain(config, identity, asked);
  console.log(values.json ? JSON.stringify(explanation, null, 2) : showExplanation(explanation));
  return explanation.granted ? 0 : 1;
}

async function explain(config: CliConfig, identity: Identity, asked: Asked): Promise<Explanation> {
  const { file, grant: policy } = await loadPolicy(config);
  const mint = await loadMint(config);
  const notes = mint ? [] : [`no keys in ${config.keysDir}, so what the role permits is not known here`];
  const about = {
    issuer: identity.issuer,
    subject: identity.subject,
    rules: explainRules(file, identity, asked),
    notes,
  };
  try {
    const grant = policy(identity, asked);
    const user_from = file.user ? "claim" : "issuer and subject";
    return { ...about, granted: { user_from, ...whatIsMinted(grant, mint) } };
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    return { ...about, refused: { code: error.code, reason: reasonOf(error, about.rules) } };
  }
}

const NOT_BELIEVED =
  "no token of this issuer is believed: it is neither OIDC_ISSUER nor among the policy's issuers";

/** All but what is of use to log in. */
function whatIsMinted(grant: Grant, mint: Mint | undefined): Omit<Granted, "user_from"> {
  const { user, role, tags = {}, ttl } = grant;
  if (!mint) return { user, role, tags, ...(ttl !== undefined && { ttl }) };
  const { permissions, issuedAt, expiresAt } = mint.mint(grant);
  return { user, role, tags, ttl: expiresAt - issuedAt, permissions };
}

function reasonOf(error: MintError, rules: readonly RuleVerdict[]): string {
  if (error instanceof UnauthorizedError) return NOT_BELIEVED;
  if (!(error instanceof RoleNotAllowedError)) return error.message;
  // The caller is not told which; the operator is.
  const decided = rules.find(({ matches }) => matches);
  return decided ? `the mint has no key for the role ${decided.role}` : "no rule fits";
}

function readAsked({ role, tag = [], ttl }: { role?: string; tag?: string[]; ttl?: string }): Asked {
  const pairs = tag.map((text): [string, string] => {
    const [name = "", ...value] = text.split("=");
    return [name, value.join("=")];
  });
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) {
    throw new InvalidTagError("--tag: a tag has one value");
  }
  return {
    ...(role !== undefined && { role }),
    ...(tag.length > 0 && { tags: parseTags(Object.fromEntries(pairs)) }),
    ...(ttl !== undefined && { ttl: parseLifetime(/^\d+$/.test(ttl) ? Number(ttl) : undefined) }),
  };
}
