import { HostNotAllowedError, InvalidRequestError } from "../core/errors.ts";
import type { Authenticator, Policy } from "../core/identity.ts";
import { parseSubjectToken } from "../core/subject-token.ts";

/**
 * `dev` authentication: everybody is who they say they are. For prototypes on one's own machine.
 */
export interface DevOptions {
  /** What a caller gets who names no role. */
  readonly defaultRole: string;
  /** Host names to answer for, besides this machine's own. */
  readonly hosts?: readonly string[];
}

const OWN_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** An authenticator that believes `user`, and the policy that goes with it: role, tags and lifetime as asked. */
export function devAuthentication({ defaultRole, hosts = [] }: DevOptions): {
  authenticate: Authenticator;
  grant: Policy;
} {
  const known = new Set([...OWN_HOSTS, ...hosts.map((host) => host.toLowerCase())]);
  return {
    authenticate(request, { user }) {
      // A web page can make its own host name point to this machine and then ask as if it were served from here
      // (DNS rebinding). It can't choose the Host header.
      if (!known.has(hostName(request) ?? "")) {
        throw new HostNotAllowedError(
          "dev authentication does not answer for this Host; MINT_DEV_HOSTS adds one",
        );
      }
      if (user === undefined) throw new InvalidRequestError("user: is required");
      return { issuer: "dev", subject: user, claims: {} };
    },
    grant({ subject }, { role = defaultRole, tags, ttl }) {
      return { role, user: parseSubjectToken(subject), tags, ttl };
    },
  };
}

/** The name in the Host header, without its port; undefined when there is none or it isn't one. */
function hostName(request: Request): string | undefined {
  const host = request.headers.get("host") ?? "";
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase();
}
