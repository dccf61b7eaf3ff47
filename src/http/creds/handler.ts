import type { Context } from "hono";
import { accepts } from "hono/accepts";
import type { Decision } from "../../core/decision.ts";
import { NotAcceptableError, UnauthorizedError } from "../../core/errors.ts";
import { type Authenticator, type Policy, withinProof } from "../../core/identity.ts";
import { formatCreds } from "../../core/keys/creds-file.ts";
import type { Credentials, Mint } from "../../core/mint.ts";
import { network } from "../../util/address.ts";
import type { Asking, Failed } from "../edge/envelope.ts";
import type { Gate } from "../edge/overload.ts";
import type { PendingBodies } from "../edge/pending-bodies.ts";
import type { RateLimiter } from "../edge/rate-limit.ts";
import { answersWith } from "../edge/response-headers.ts";
import { decisionOf, type Trail } from "./decisions.ts";
import { readJson } from "./read-json.ts";
import { parseCredsRequest } from "./request.ts";
import type { CredsResponse } from "./response.ts";
import { type Servers, serversFor } from "./servers.ts";

export type { CredsResponse };

const JSON_TYPE = "application/json";
/** JSON, or a creds file by one of its names. */
const TYPES = [JSON_TYPE, "application/x-nats-creds", "text/plain"] as const;
type Type = (typeof TYPES)[number];

export interface CredsOptions {
  /** The present mint. */
  readonly mint: () => Mint;
  /** Who is calling? */
  readonly authenticate: Authenticator;
  /** What may they have? */
  readonly grant: Policy;
  /** Where clients connect to. */
  readonly servers: Servers;
  readonly limits: RateLimiter;
  readonly gate: Gate;
  readonly bodies: PendingBodies;
  readonly failed: Failed;
  /** Told of each decision, once its answer stands. */
  readonly onDecision: (decision: Decision) => void;
}

/** `POST /creds`: who is calling, what may they have, sign it, hand it over; and report what became of it. */
export function creds(options: CredsOptions): (c: Context, asking: Asking) => Promise<Response> {
  const { limits, gate, bodies, failed, onDecision } = options;
  const ofErrors = { Vary: "Accept", ...(limits.policy && { "RateLimit-Policy": limits.policy }) };
  const ofCredentials = { ...ofErrors, Vary: "Accept, Origin" };
  const given = Object.fromEntries(
    TYPES.map((type) => [type, answersWith({ ...ofCredentials, "Content-Type": type })]),
  ) as Record<Type, ReturnType<typeof answersWith>>;
  return async (c, asking) => {
    const { address } = asking.client;
    const from = address === undefined ? undefined : network(address);
    const trail: Trail = { limits: "" };
    let answer: Response;
    try {
      limits.address(address, trail);
      gate.admit(from);
      const json = await readJson(c, (body) => bodies.receive(body, from));
      gate.enter(c.req.raw, from);
      try {
        const { type, body } = await grantCredential(c, json, options, trail);
        answer = given[type](c, body);
      } finally {
        gate.leave(c.req.raw, from);
      }
    } catch (thrown) {
      answer = await failed(thrown, c);
      for (const [name, value] of Object.entries(ofErrors)) answer.headers.append(name, value);
    }
    if (trail.limits) answer.headers.set("RateLimit", trail.limits);
    onDecision(decisionOf(asking, trail, c.error, answer.status));
    return answer;
  };
}

async function grantCredential(
  c: Context,
  json: unknown,
  { authenticate, grant, mint, servers, limits }: CredsOptions,
  trail: Trail,
): Promise<{ type: Type; body: string }> {
  const { asked, publicKey } = parseCredsRequest(json);
  const type = wantedType(c);
  if (type !== JSON_TYPE && publicKey) {
    throw new NotAcceptableError(
      `a creds file holds the seed, and only the owner of public_key has it: ask for ${JSON_TYPE}`,
    );
  }
  const identity = await authenticate(c.req.raw, asked);
  if (!identity) throw nobody(c.req.header("Authorization") !== undefined);
  trail.identity = identity;
  limits.subject(identity, trail);
  const granted = withinProof(await grant(identity, asked), identity);
  const began = performance.now();
  const credentials = mint().mint(granted, publicKey);
  trail.mintDuration = performance.now() - began;
  trail.credential = credentials;
  if (type !== JSON_TYPE && credentials.seed !== undefined) {
    return { type, body: formatCreds(credentials.jwt, credentials.seed) };
  }
  return { type: JSON_TYPE, body: JSON.stringify(toJson(credentials, servers)) };
}

function wantedType(c: Context): Type {
  const accept = c.req.header("Accept");
  // What nearly everybody sends.
  if (accept === undefined || accept === "*/*" || accept === JSON_TYPE) return JSON_TYPE;
  return accepts(c, { header: "Accept", supports: [...TYPES], default: JSON_TYPE }) as Type;
}

/** Access tokens that are no JWTs, keys where only tokens are believed: the commonest mistake of who begins with it. */
function nobody(hasProof: boolean): UnauthorizedError {
  return hasProof
    ? new UnauthorizedError(
        "the Authorization header has no proof of a kind that is accepted here",
        "malformed",
      )
    : new UnauthorizedError("the request proves no identity");
}

/** JSON leaves out what is undefined. */
function toJson(credentials: Credentials, servers: Servers): Record<keyof CredsResponse, unknown> {
  const { jwt, seed, user, role, tags, account, issuedAt, expiresAt } = credentials;
  return {
    jwt,
    seed,
    user,
    role,
    tags: Object.keys(tags).length > 0 ? tags : undefined,
    account,
    issued_at: issuedAt,
    expires_at: expiresAt,
    server_time: Date.now(),
    servers: serversFor(credentials.connectionTypes, servers),
    inbox_prefix: credentials.inboxPrefix,
    permissions: credentials.permissions,
  };
}
