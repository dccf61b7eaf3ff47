import type { Handler } from "hono";
import { accepts } from "hono/accepts";
import { formatCreds } from "../core/creds.ts";
import { NotAcceptableError, UnauthorizedError } from "../core/errors.ts";
import { type Authenticator, type Policy, withinProof } from "../core/identity.ts";
import type { Credentials, Mint } from "../core/mint.ts";
import { parseCredsRequest } from "./creds-request.ts";
import type { CredsResponse } from "./creds-response.ts";
import type { Trail } from "./decisions.ts";
import type { LimitSubject } from "./rate-limit.ts";
import { type Servers, serversFor } from "./servers.ts";

export type { CredsResponse };

const JSON_TYPE = "application/json";
const CREDS_TYPES = ["application/x-nats-creds", "text/plain"];

export interface CredsOptions {
  /** The present mint. */
  readonly mint: () => Mint;
  /** Who is calling? */
  readonly authenticate: Authenticator;
  /** What may they have? */
  readonly grant: Policy;
  /** Where clients connect to. */
  readonly servers: Servers;
  /** Counts a caller's request, and throws for one too many. */
  readonly limitSubject: LimitSubject;
}

/** `POST /creds`: who is calling, what may they have, sign it, hand it over. */
export function creds({
  authenticate,
  grant,
  mint,
  servers,
  limitSubject,
}: CredsOptions): Handler<{ Variables: Trail["Variables"] & { json: unknown } }> {
  return async (c) => {
    c.header("Vary", "Accept");
    const { asked, publicKey } = parseCredsRequest(c.var.json);
    const type = accepts(c, { header: "Accept", supports: [JSON_TYPE, ...CREDS_TYPES], default: JSON_TYPE });
    if (type !== JSON_TYPE && publicKey) {
      throw new NotAcceptableError(
        `a creds file holds the seed, and only the owner of public_key has it: ask for ${JSON_TYPE}`,
      );
    }
    const identity = await authenticate(c.req.raw, asked);
    if (!identity) throw nobody(c.req.header("Authorization") !== undefined);
    c.set("identity", identity);
    limitSubject(c, identity);
    const granted = withinProof(await grant(identity, asked), identity);
    const began = performance.now();
    const credentials = mint().mint(granted, publicKey);
    c.set("mintDuration", performance.now() - began);
    c.set("credential", credentials);
    if (type === JSON_TYPE || credentials.seed === undefined) return c.json(toJson(credentials, servers));
    return c.body(formatCreds(credentials.jwt, credentials.seed), 200, { "Content-Type": type });
  };
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

function toJson(credentials: Credentials, servers: Servers): CredsResponse {
  const { jwt, seed, user, role, tags, account, issuedAt, expiresAt } = credentials;
  return {
    jwt,
    ...(seed !== undefined && { seed }),
    user,
    role,
    ...(Object.keys(tags).length > 0 && { tags }),
    account,
    issued_at: issuedAt,
    expires_at: expiresAt,
    server_time: Date.now(),
    servers: serversFor(credentials.connectionTypes, servers),
    inbox_prefix: credentials.inboxPrefix,
    permissions: credentials.permissions,
  };
}
