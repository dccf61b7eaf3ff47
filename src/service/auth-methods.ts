import type { Logger } from "pino";
import { apiKeyAuthentication, isApiKeyIssuer } from "../auth/api-key.ts";
import { firstOf } from "../auth/combine.ts";
import { devAuthentication } from "../auth/dev.ts";
import { oidcAuthentication } from "../auth/jwt/verifier.ts";
import type { Auth, MintConfig } from "../config/config.ts";
import { parseApiKeys } from "../core/api-key/file.ts";
import { ConfigError, MintError } from "../core/errors.ts";
import type { Authenticator, Policy } from "../core/identity.ts";
import { type PolicyInUse, usePolicy } from "../core/policy/active.ts";
import { policyWarnings } from "../core/policy/explain.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { hasUrlScheme } from "../core/policy/issuer.ts";
import { watchFile } from "../files/watch.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** Who is calling, and what may they have: all the ways that `MINT_AUTH` lists, as one. */
export interface Authentication {
  readonly authenticate: Authenticator;
  readonly grant: Policy;
  /** For each issuer whose keys are here, how long ago they were fetched. */
  readonly keyAges: () => readonly { readonly issuer: string; readonly seconds: number }[];
  /** Stops watching files and fetching keys. */
  close(): void;
}

/** One way of proving who one is, and what those who did get. */
interface Way extends Pick<Authentication, "authenticate" | "grant"> {
  /** Whether this is an `issuer` of its identities. */
  readonly owns: (issuer: string) => boolean;
  readonly keyAges?: Authentication["keyAges"];
  close?(): void;
}

/** Told of files that are read again while the service runs. */
interface Watch {
  readonly log: Logger;
  readonly reloaded: Metrics["reloaded"];
}

/** Milliseconds between looks at the age of the issuers' keys. */
const WARM_UP_INTERVAL = 60_000;

/** @throws {ConfigError} when a file can't be used, with its path and all that is wrong with it */
export async function makeAuthentication(config: MintConfig, watch: Watch): Promise<Authentication> {
  // A proof goes to the way that it is for. Who shows none at all is for `dev` to believe, so that comes last.
  const make: Readonly<Record<Auth, () => Way | Promise<Way>>> = {
    oidc: () => oidc(config, watch),
    "api-key": () => apiKey(config, watch),
    dev: () => dev(config, watch, config.auth.length > 1),
  };
  const inUse = (Object.keys(make) as Auth[]).filter((auth) => config.auth.includes(auth));
  const ways = await Promise.all(inUse.map((auth) => make[auth]()));
  return {
    authenticate: firstOf(ways.map(({ authenticate }) => authenticate)),
    grant(identity, asked) {
      const way = ways.find(({ owns }) => owns(identity.issuer));
      if (!way) throw new Error("an identity of an issuer that nobody stands for");
      return way.grant(identity, asked);
    },
    keyAges: () => ways.flatMap(({ keyAges }) => keyAges?.() ?? []),
    close() {
      for (const way of ways) way.close?.();
    },
  };
}

async function oidc({ policyFile, issuer }: MintConfig, watch: Watch): Promise<Way> {
  const warn = ({ file, issuers }: PolicyInUse) => {
    const names = issuers.map((known) => known.issuer);
    for (const warning of policyWarnings(file, names)) watch.log.warn(`${policyFile}: ${warning}`);
  };
  const parse = (text: string | undefined) => usePolicy(parsePolicyFile(text), issuer);
  const policy = await follow("policy", policyFile, watch, parse, warn);
  warn(policy.current());
  const tokens = oidcAuthentication({
    issuers: () => policy.current().issuers,
    onWarning: (message) => watch.log.warn(message),
  });
  void tokens.warmUp();
  const timer = setInterval(() => void tokens.warmUp(), WARM_UP_INTERVAL);
  return {
    // Whether it is a trusted one is for the policy to say.
    owns: hasUrlScheme,
    authenticate: tokens.authenticate,
    grant: (identity, asked) => policy.current().grant(identity, asked),
    keyAges: tokens.keyAges,
    close() {
      clearInterval(timer);
      tokens.close();
      policy.close();
    },
  };
}

async function apiKey({ apiKeysFile }: MintConfig, watch: Watch): Promise<Way> {
  const keys = await follow("api_keys", apiKeysFile, watch, parseApiKeys);
  return { owns: isApiKeyIssuer, ...apiKeyAuthentication({ keys: keys.current }), close: keys.close };
}

/** @param beside another way: whoever shows a proof, even one that nobody knows, is then not believed without it */
function dev({ defaultRole, devHosts }: MintConfig, { log }: Watch, beside: boolean): Way {
  log.warn("MINT_AUTH=dev believes every caller; it is for your own machine only");
  const { authenticate, grant } = devAuthentication({ defaultRole, hosts: devHosts });
  return {
    owns: (issuer) => issuer === "dev",
    authenticate: (request, asked) =>
      beside && request.headers.has("authorization") ? null : authenticate(request, asked),
    grant,
  };
}

/** Watches a file. What is wrong with it at the start ends the service; later it is a warning. */
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

/** What is wrong in a file doesn't name it; that it can't be read at all does. */
function withPath(path: string, error: Error): Error {
  const isAboutContent = error instanceof MintError && !(error instanceof ConfigError);
  return isAboutContent ? new ConfigError(`${path}: ${error.message}`) : error;
}
