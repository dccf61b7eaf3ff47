import type { Logger } from "pino";
import { API_KEY_ISSUER, apiKeyAuthentication } from "./auth/api-key.ts";
import { devAuthentication } from "./auth/dev.ts";
import { firstOf } from "./auth/first-of.ts";
import { oidcAuthentication } from "./auth/oidc.ts";
import type { Auth, MintConfig } from "./config.ts";
import { ConfigError, MintError } from "./core/errors.ts";
import { policyWarnings } from "./core/explain.ts";
import type { Authenticator, Policy } from "./core/identity.ts";
import { usePolicy } from "./core/policy-in-use.ts";
import { parseApiKeys } from "./files/api-keys.ts";
import { parsePolicyFile } from "./files/policy.ts";
import { watchFile } from "./files/watch.ts";
import type { Metrics } from "./telemetry/metrics.ts";

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
  /** The `issuer` of its identities; without one, those that no other way names. */
  readonly issuer?: string;
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
  const wayOf = (issuer: string) =>
    ways.find((way) => way.issuer === issuer) ?? ways.find((way) => way.issuer === undefined);
  return {
    authenticate: firstOf(ways.map(({ authenticate }) => authenticate)),
    grant(identity, asked) {
      const way = wayOf(identity.issuer);
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
  const policy = await follow("policy", policyFile, watch, (text) => {
    const inUse = usePolicy(parsePolicyFile(text), issuer);
    if (inUse.issuers.length === 0) {
      throw new ConfigError("it names no issuers, and OIDC_ISSUER is not set: there is nobody to believe");
    }
    const names = inUse.issuers.map((known) => known.issuer);
    for (const warning of policyWarnings(inUse.file, names)) watch.log.warn(`${policyFile}: ${warning}`);
    return inUse;
  });
  const tokens = oidcAuthentication({
    issuers: () => policy.current().issuers,
    onWarning: (message) => watch.log.warn(message),
  });
  void tokens.warmUp();
  const timer = setInterval(() => void tokens.warmUp(), WARM_UP_INTERVAL);
  return {
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
  return { issuer: API_KEY_ISSUER, ...apiKeyAuthentication({ keys: keys.current }), close: keys.close };
}

/** @param beside another way: whoever shows a proof, even one that nobody knows, is then not believed without it */
function dev({ defaultRole, devHosts }: MintConfig, { log }: Watch, beside: boolean): Way {
  log.warn("MINT_AUTH=dev believes every caller; it is for your own machine only");
  const { authenticate, grant } = devAuthentication({ defaultRole, hosts: devHosts });
  return {
    issuer: "dev",
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
) {
  const options = {
    onLoaded: () => {
      log.info(`${path} loaded`);
      reloaded(what, "loaded");
    },
    onRefused: ({ message }: Error) => {
      log.warn(`${path} not loaded, the last good one stays in use: ${message}`);
      reloaded(what, "refused");
    },
  };
  try {
    return await watchFile(path, parse, options);
  } catch (error) {
    if (!(error instanceof MintError)) throw error;
    throw new ConfigError(error.message.startsWith(path) ? error.message : `${path}: ${error.message}`);
  }
}
