import type { Context } from "hono";
import { accepts } from "hono/accepts";
import { type IssueParts, type IssueRequest, issue, type RequestContext } from "../../core/issue.ts";
import { formatCreds } from "../../core/keys/creds-file.ts";
import type { Credentials } from "../../core/mint.ts";
import { network } from "../../util/address.ts";
import { isPromise } from "../../util/is-promise.ts";
import { limitPolicy, setLimitStates } from "../edge/limit-headers.ts";
import type { Gate } from "../edge/overload.ts";
import type { PendingBodies } from "../edge/pending-bodies.ts";
import { INTERNAL, problemOf } from "../edge/problems.ts";
import { respondWith } from "../edge/response-headers.ts";
import { NotAcceptableError } from "../errors.ts";
import { type ProofOptions, readProof } from "./proof.ts";
import { JSON_TYPE, readJson } from "./read-json.ts";
import { parseCredsRequest } from "./request.ts";
import { toCredsResponse } from "./response.ts";
import type { Servers } from "./servers.ts";

/** The types of a response: JSON, or a creds file under two names. */
const TYPES = [JSON_TYPE, "application/x-nats-creds", "text/plain"] as const;
type Type = (typeof TYPES)[number];

export interface CredsOptions {
  /** The steps between request and response. */
  readonly parts: Omit<IssueParts, "statusOf">;
  /** The application's own login, if it has one. */
  readonly authenticate: ProofOptions["authenticate"];
  /** The NATS servers that clients connect to. */
  readonly servers: Servers;
  readonly gate: Gate;
  readonly bodies: PendingBodies;
  /** Makes a problem response with the headers of every response. */
  readonly respondToError: (thrown: unknown) => Response;
}

/** The body of a response with a credential. */
interface Body {
  readonly type: Type;
  readonly text: string;
}

/**
 * Responds to a request with all headers but those of the envelope. It needs nothing but a request, so that a runtime's
 * router can call it without Hono.
 */
export type CredsHandler = (request: Request, context: RequestContext) => Promise<Response>;

/** `POST /creds`: reads a request for a credential, has it processed, and responds. */
export function credsHandler(options: CredsOptions): CredsHandler {
  const { authenticate, servers, gate, bodies, respondToError } = options;
  const parts: IssueParts = { ...options.parts, statusOf };
  const errorHeaders = { Vary: "Accept", ...limitPolicy(parts.limits.limits) };
  const credentialHeaders = { ...errorHeaders, Vary: "Accept, Origin" };
  const responders = Object.fromEntries(
    TYPES.map((type) => [type, respondWith({ ...credentialHeaders, "Content-Type": type })]),
  ) as Record<Type, ReturnType<typeof respondWith>>;
  const proofs: ProofOptions = { authenticate, acceptsTokens: parts.authenticateToken !== undefined };

  return async (request, context) => {
    const clientNetwork = context.address === undefined ? undefined : network(context.address);
    let type: Type = JSON_TYPE;
    let entered = false;

    async function read(): Promise<IssueRequest> {
      gate.admit(clientNetwork);
      const json = await readJson(request, (body) => bodies.receive(body, clientNetwork));
      gate.enter(request, clientNetwork);
      entered = true;
      const { requested, publicKey } = parseCredsRequest(json);
      type = wantedType(request.headers.get("Accept"));
      if (type !== JSON_TYPE && publicKey) {
        throw new NotAcceptableError(
          `a creds file contains the seed, which only the client has for its public_key: accept ${JSON_TYPE}`,
        );
      }
      const proof = readProof(request, requested, proofs);
      return { proof: isPromise(proof) ? await proof : proof, requested, publicKey };
    }

    try {
      const { response, error, limits } = await issue<Body>(parts, {
        context,
        read,
        respond: (credentials) => formatBody(credentials, type, servers),
      });
      const result = response ? responders[response.type](response.text) : respondToError(error);
      if (error) for (const [name, value] of Object.entries(errorHeaders)) result.headers.append(name, value);
      setLimitStates(result.headers, limits);
      return result;
    } finally {
      if (entered) gate.leave(request, clientNetwork);
    }
  };
}

const statusOf = (error: Error | undefined): number => (error ? (problemOf(error) ?? INTERNAL).status : 200);

function wantedType(accept: string | null): Type {
  // The usual values, without the cost of parsing them.
  if (accept === null || accept === "*/*" || accept === JSON_TYPE) return JSON_TYPE;
  // The only part of a context that `accepts` reads.
  const context = { req: { header: () => accept } } as unknown as Context;
  return accepts(context, { header: "Accept", supports: [...TYPES], default: JSON_TYPE }) as Type;
}

function formatBody(credentials: Credentials, type: Type, servers: Servers): Body {
  const { jwt, seed } = credentials;
  if (type !== JSON_TYPE && seed !== undefined) return { type, text: formatCreds(jwt, seed) };
  return { type: JSON_TYPE, text: JSON.stringify(toCredsResponse(credentials, servers)) };
}
