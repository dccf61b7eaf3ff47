import type { Logger } from "pino";
import { apiKeyAuthentication } from "../auth/api-key.ts";
import { firstOf } from "../auth/combine.ts";
import type { FetchDocument } from "../auth/jwt/discovery.ts";
import type { JwtIssuer } from "../auth/jwt/issuer-table.ts";
import { jwtAuthentication } from "../auth/jwt/verifier.ts";
import type { AuthConfig, MintConfig } from "../config/mint.ts";
import { parseApiKeys } from "../core/api-key/file.ts";
import {
  APPLICATION,
  AUTH_METHODS,
  type AuthMethodName,
  type Authorizer,
  type TokenAuthenticator,
} from "../core/identity.ts";
import { type ActivePolicy, activatePolicy } from "../core/policy/active.ts";
import { policyWarnings } from "../core/policy/explain.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { ALLOW_HTTP } from "../core/policy/issuer.ts";
import { fetchTrusting } from "../files/authorities.ts";
import { withPath } from "../files/read.ts";
import { watchFile } from "../files/watch.ts";
import type { Authenticator } from "../http/creds/proof.ts";
import { devAuthentication } from "../http/dev.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { quote } from "../util/quote.ts";

/** The authentication methods that `MINT_AUTH` lists, combined. */
export interface AuthMethods extends Disposable {
  /** Verifies a token; undefined when no method has tokens. */
  readonly authenticateToken: TokenAuthenticator | undefined;
  /** Authenticates a request without a token; undefined when every method has tokens. */
  readonly authenticate: Authenticator | undefined;
  /** Calls the authorizer of the identity's method. */
  readonly grant: Authorizer;
  /** For each issuer whose keys were fetched, the seconds since the last fetch. */
  readonly keyAges: () => readonly { readonly issuer: string; readonly seconds: number }[];
  /** The roles that the settings, the policy and the API keys name now. */
  readonly namedRoles: () => readonly NamedRole[];
}

/** A role, and the place that names it: `/fs/mint/policy.json: rules[0].grant.role`. */
export interface NamedRole {
  readonly role: string;
  readonly place: string;
}

/** One authentication method, and the authorizer of its identities. */
interface AuthMethod extends Partial<Disposable> {
  readonly grant: Authorizer;
  readonly namedRoles: () => readonly NamedRole[];
  /** Issuers whose JWTs prove identities of this method. */
  readonly issuers?: () => readonly JwtIssuer[];
  /** Verifies other tokens of this method. */
  readonly authenticateToken?: TokenAuthenticator;
  readonly authenticate?: Authenticator;
}

/** Receives reports about files that are read again while the service runs. */
interface Watch {
  readonly log: Logger;
  readonly reloaded: Metrics["reloaded"];
}

/** Milliseconds between checks of the age of the issuers' keys. */
const WARM_UP_INTERVAL = 60_000;

/** @throws {ConfigError} when a file can't be used, with its path and all mistakes in it */
export async function makeAuthMethods({ auth }: MintConfig, watch: Watch): Promise<AuthMethods> {
  using stack = new DisposableStack();
  const methods = new Map<string, AuthMethod>();
  for (const name of AUTH_METHODS) {
    const method = await makeMethod(name, auth, watch);
    if (!method) continue;
    methods.set(name, method);
    stack.defer(() => method[Symbol.dispose]?.());
  }

  const all = [...methods.values()];
  const authenticators = all.flatMap(({ authenticateToken }) => authenticateToken ?? []);
  const logins = all.flatMap(({ authenticate }) => authenticate ?? []);
  const jwt = jwtVerifier(all, watch.log, {
    allowHttp: auth.oidc?.allowHttp ?? false,
    fetch: await fetchTrusting(auth.oidc?.caFile),
  });
  if (jwt) {
    authenticators.push(jwt.authenticateToken);
    stack.defer(() => jwt[Symbol.dispose]());
  }
  const disposables = stack.move();
  return {
    authenticateToken: authenticators.length > 0 ? firstOf(authenticators) : undefined,
    authenticate: logins.length > 0 ? firstOf(logins) : undefined,
    grant(identity, requested) {
      const { method: name = APPLICATION } = identity;
      const method = methods.get(name);
      if (!method) throw new Error(`the authentication method ${quote(name)} is not configured`);
      return method.grant(identity, requested);
    },
    keyAges: () => jwt?.keyAges() ?? [],
    namedRoles: () => all.flatMap(({ namedRoles }) => namedRoles()),
    [Symbol.dispose]: () => disposables.dispose(),
  };
}

/** Undefined for a method that is not configured. */
async function makeMethod(
  name: AuthMethodName,
  auth: AuthConfig,
  watch: Watch,
): Promise<AuthMethod | undefined> {
  const isOnly = Object.keys(auth).length === 1;
  const makers = {
    oidc: () => auth.oidc && oidc(auth.oidc, watch),
    "api-key": () => auth["api-key"] && apiKey(auth["api-key"], watch),
    dev: () => auth.dev && dev(auth.dev, watch, isOnly),
  } satisfies Record<AuthMethodName, () => unknown>;
  return makers[name]();
}

type Settings<Method extends AuthMethodName> = NonNullable<AuthConfig[Method]>;

/** One verifier for the JWTs of all methods: a token's `iss` identifies the issuer, and with it the method. */
function jwtVerifier(
  methods: readonly AuthMethod[],
  log: Logger,
  { allowHttp, fetch }: { readonly allowHttp: boolean; readonly fetch: FetchDocument | undefined },
) {
  const sources = methods.flatMap(({ issuers }) => issuers ?? []);
  if (sources.length === 0) return undefined;
  if (allowHttp) {
    log.warn(
      `${ALLOW_HTTP}=true: issuers are reached by plain http, where their keys can be replaced on their way; for prototyping only`,
    );
  }
  const jwt = jwtAuthentication({
    issuers: concatenated(sources),
    onWarning: (message) => log.warn(message),
    allowHttp,
    ...(fetch && { fetch }),
  });
  void jwt.warmUp();
  const timer = setInterval(() => void jwt.warmUp(), WARM_UP_INTERVAL);
  return {
    ...jwt,
    [Symbol.dispose]() {
      clearInterval(timer);
      jwt.close();
    },
  };
}

/** The lists as one list, which is the same object as long as each of them is the same object. */
function concatenated<T>(sources: readonly (() => readonly T[])[]): () => readonly T[] {
  let parts: readonly (readonly T[])[] = [];
  let all: readonly T[] = [];
  return () => {
    const next = sources.map((source) => source());
    if (next.length !== parts.length || next.some((part, i) => part !== parts[i])) {
      parts = next;
      all = next.flat();
    }
    return all;
  };
}

async function oidc({ policyFile, issuer, allowHttp }: Settings<"oidc">, watch: Watch): Promise<AuthMethod> {
  const warn = ({ file, names }: ActivePolicy) => {
    for (const warning of policyWarnings(file, names)) watch.log.warn(`${policyFile}: ${warning}`);
  };
  const parse = (text: string | undefined) => activatePolicy(parsePolicyFile(text, { allowHttp }), issuer);
  const policy = await follow("policy", policyFile, watch, parse, warn);
  warn(policy.current());
  return {
    issuers: () => policy.current().issuers,
    grant: (identity, requested) => policy.current().grant(identity, requested),
    namedRoles: () =>
      policy.current().file.rules.map(({ grant: { role } }, i) => ({
        role,
        place: `${policyFile}: rules[${i}].grant.role`,
      })),
    [Symbol.dispose]: policy.close,
  };
}

async function apiKey({ keysFile }: Settings<"api-key">, watch: Watch): Promise<AuthMethod> {
  const keys = await follow("api_keys", keysFile, watch, parseApiKeys);
  return {
    ...apiKeyAuthentication({ keys: keys.current }),
    namedRoles: () =>
      keys
        .current()
        .flatMap(({ id, roles }) => roles.map((role) => ({ role, place: `${keysFile}: key ${id}` }))),
    [Symbol.dispose]: keys.close,
  };
}

function dev({ defaultRole, hosts }: Settings<"dev">, { log }: Watch, isOnly: boolean): AuthMethod {
  log.warn("MINT_AUTH=dev accepts every caller without proof; it is for your own machine only");
  const { authenticate, grant } = devAuthentication({ defaultRole, hosts });
  return {
    grant,
    namedRoles: () => [{ role: defaultRole, place: "MINT_DEFAULT_ROLE" }],
    // Beside other methods, a request with a proof of any kind must not be accepted as one without a proof.
    authenticate: (request, requested) =>
      isOnly || !request.headers.has("authorization") ? authenticate(request, requested) : null,
  };
}

/**
 * Watches a file. An unusable file is an error at the start; later it is a warning, and the last good one stays in use.
 */
async function follow<T>(
  what: "policy" | "api_keys",
  path: string,
  { log, reloaded }: Watch,
  parse: (text: string | undefined) => T,
  onLoaded: (value: T) => void = () => {},
) {
  const options = {
    onLoaded: (value: T) => {
      log.info(`${path} loaded`);
      reloaded(what, "loaded");
      onLoaded(value);
    },
    onRefused: (error: Error) => {
      log.warn(`not loaded, the last good one stays in use: ${withPath(path, error).message}`);
      reloaded(what, "refused");
    },
  };
  try {
    return await watchFile(path, parse, options);
  } catch (error) {
    throw withPath(path, error as Error);
  }
}
