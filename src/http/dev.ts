import type { Authorizer } from "../core/identity.ts";
import { devAuthorizer, devIdentity } from "../core/policy/dev.ts";
import { nameOfHost } from "../util/host-name.ts";
import type { Authenticator } from "./creds/proof.ts";
import { HostNotAllowedError } from "./errors.ts";

export interface DevOptions {
  /** The role of a request that names none. */
  readonly defaultRole: string;
  /** Host names under which requests are accepted, besides this machine's own: `localhost`, `127.0.0.1`, `[::1]`. */
  readonly hosts?: readonly string[];
}

const OWN_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/**
 * The method `dev` over HTTP: the request names the user, without proof. `authenticate` throws `HostNotAllowedError`
 * for a request under a host name that is not in `hosts`, and `InvalidRequestError` for a request without `user`.
 */
export function devAuthentication({ defaultRole, hosts = [] }: DevOptions): {
  readonly authenticate: Authenticator;
  readonly grant: Authorizer;
} {
  const known = new Set([...OWN_HOSTS, ...hosts.map((host) => host.toLowerCase())]);
  return {
    authenticate(request, requested) {
      // A web page can make its own host name point to this machine and then send requests as if it were served from
      // here (DNS rebinding). It can't choose the Host header.
      if (!known.has(nameOfHost(request.headers.get("host") ?? "") ?? "")) {
        throw new HostNotAllowedError(
          "dev authentication does not accept this Host; add its name to MINT_DEV_HOSTS",
        );
      }
      return devIdentity(requested);
    },
    grant: devAuthorizer(defaultRole),
  };
}
