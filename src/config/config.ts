import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { parse } from "dotenv";
import { ConfigError } from "../core/errors.ts";
import { describeIssuerUrl, isIssuerUrl, type OidcIssuer } from "../core/policy/issuer.ts";
import { DEFAULT_RATE_LIMITS, isRateLimit, type RateLimits } from "../core/rate-limit.ts";
import { isSubjectToken } from "../core/subject-token.ts";
import { isAddressRange, normalAddress } from "../util/address.ts";
import { quote } from "../util/quote.ts";

/** Environment → typed configuration. The only place that reads the environment. */

type Env = Readonly<Record<string, string | undefined>>;

/** Ways to prove who one is. */
export type Auth = "dev" | "oidc" | "api-key";

/** What the mint is told. */
export interface MintConfig {
  /** The ways that are in use. */
  readonly auth: readonly Auth[];
  readonly host: string;
  readonly port: number;
  /** Processes that serve the port together. */
  readonly workers: number;
  /** The directory that the keys are exported to. */
  readonly keysDir: string;
  /** The directory that the demo page was built into, if it is to be served. Only `dev` does. */
  readonly demoDir?: string | undefined;
  readonly defaultRole: string;
  /** The issuer that needs no place in the policy file. */
  readonly issuer?: OidcIssuer | undefined;
  /** Who gets what, for `oidc`; empty when it isn't in use. */
  readonly policyFile: string;
  /** The keys of `api-key`; empty when it isn't in use. */
  readonly apiKeysFile: string;
  /** Requests a minute. */
  readonly rateLimit: RateLimits | "off";
  /** Addresses and CIDR ranges of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Host names that `dev` answers for, besides this machine's own. */
  readonly devHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly servers: { readonly websocket: readonly string[]; readonly tcp: readonly string[] };
}

/** @throws {ConfigError} that lists everything wrong, one line per variable */
export function readMintConfig(env: Env = process.env): MintConfig {
  const from = settings(env);
  const auth = from.list(
    "MINT_AUTH",
    "a comma-separated list of oidc, api-key and dev (which believes every caller, so it must be asked for)",
    isAuth,
  );
  const host = urlHost(readBind(from));
  const config: MintConfig = {
    auth,
    host: from.text("MINT_HOST", "127.0.0.1"),
    port: from.port("MINT_PORT", 8080),
    workers: from.parsed("MINT_WORKERS", `a number of processes, 1 to ${MAX_WORKERS}`, parseWorkers, 1),
    keysDir: from.text("MINT_KEYS_DIR"),
    demoDir: from.text("MINT_DEMO_DIR", "") || undefined,
    defaultRole: from.checked("MINT_DEFAULT_ROLE", "a role's name", isSubjectToken, "browser"),
    devHosts: from.list(
      "MINT_DEV_HOSTS",
      "a comma-separated list of host names, without ports",
      isHostName,
      [],
    ),
    allowedOrigins: from.jsonList(
      "MINT_ALLOWED_ORIGINS",
      'a JSON list of origins, ["https://app.example.com"]',
      isOrigin,
      [],
    ),
    issuer: auth.includes("oidc") ? readIssuer(from) : undefined,
    policyFile: auth.includes("oidc") ? from.text("MINT_POLICY_FILE") : "",
    apiKeysFile: auth.includes("api-key") ? from.text("MINT_API_KEYS_FILE") : "",
    rateLimit: from.parsed(
      "MINT_RATE_LIMIT",
      "requests a minute for each address and for each caller, 600,60, or off",
      parseRateLimit,
      DEFAULT_RATE_LIMITS,
    ),
    trustedProxies: from.list(
      "MINT_TRUSTED_PROXIES",
      "a comma-separated list of addresses and ranges, 10.0.0.0/8",
      isAddressRange,
      [],
    ),
    servers: {
      websocket: from.urls(
        "NATS_WS_URLS",
        ["ws", "wss"],
        [`ws://${host}:${from.port("NATS_WS_PORT", 9222)}`],
      ),
      tcp: from.urls("NATS_TCP_URLS", ["nats", "tls"], [`nats://${host}:${from.port("NATS_PORT", 4222)}`]),
    },
  };
  if (config.auth.includes("dev") && env.NODE_ENV === "production") {
    from.refuse("MINT_AUTH", "anything but dev where NODE_ENV is production: dev believes every caller");
  }
  from.done();
  return config;
}

/**
 * What to call a port by that is open on an address. Never `localhost`: that may be another address, where a program of
 * another user listens.
 */
export const urlHost = (bind: string) => inBrackets({ "0.0.0.0": "127.0.0.1", "::": "::1" }[bind] ?? bind);

/** As an address stands before a port. */
export const inBrackets = (address: string) => (isIP(address) === 6 ? `[${address}]` : address);

/** Also in the brackets that docker-compose.yaml takes. */
const readBind = (from: ReturnType<typeof settings>, name = "NATS_BIND"): string =>
  from.parsed(name, "an IP address of this machine", parseBind, "127.0.0.1");

function parseBind(text: string): string | undefined {
  return text.includes("%") ? undefined : normalAddress(text.replace(/^\[(.*)\]$/, "$1"));
}

/** Both of its variables, or neither. */
function readIssuer(from: ReturnType<typeof settings>): OidcIssuer | undefined {
  const issuer = from.text("OIDC_ISSUER", "");
  if (issuer && !isIssuerUrl(issuer)) from.refuse("OIDC_ISSUER", describeIssuerUrl(issuer));
  const audience = from.list("OIDC_AUDIENCE", "a comma-separated list", isText, []);
  if (issuer && audience.length === 0) {
    from.refuse("OIDC_AUDIENCE", "the audience of OIDC_ISSUER's tokens for this service");
  }
  if (issuer === "" && audience.length > 0)
    from.refuse("OIDC_ISSUER", "the issuer that OIDC_AUDIENCE belongs to");
  return issuer && audience.length > 0 ? { issuer, audience } : undefined;
}

/** What the launcher of `npm start` is told. */
export interface LocalConfig {
  /** The mint's, or none where it is going to refuse them. */
  readonly auth: readonly Auth[];
  /** The checkout. */
  readonly projectDir: string;
  /** Where the state is kept, absolute. */
  readonly dataDir: string;
  /** The address that every port but the monitoring's is opened on. */
  readonly bind: string;
  readonly monitoringBind: string;
  readonly ports: Readonly<Record<"nats" | "webSocket" | "monitoring" | "mint", number>>;
  /** The address at which this machine's own programs reach the ports, as it stands in a URL. */
  readonly host: string;
  readonly mintUrl: string;
  /** The environment over `.env`, for the programs that it starts. */
  readonly environment: Readonly<Record<string, string>>;
}

/** @throws {ConfigError} that lists everything wrong, one line per variable */
export function readLocalConfig(env: Env = withEnvFile()): LocalConfig {
  const from = settings(env);
  const ports = {
    nats: from.port("NATS_PORT", 4222),
    webSocket: from.port("NATS_WS_PORT", 9222),
    monitoring: from.port("NATS_HTTP_PORT", 8222),
    mint: from.port("MINT_PORT", 8080),
  };
  const bind = readBind(from);
  const monitoringBind = readBind(from, "NATS_HTTP_BIND");
  const dataDir = resolve(projectDir, from.text("DATA_DIR", ".data"));
  if (new Set(Object.values(ports)).size < 4) {
    from.refuse("MINT_PORT", "four different ports in NATS_PORT, NATS_WS_PORT, NATS_HTTP_PORT and MINT_PORT");
  }
  from.done();
  const environment = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const host = urlHost(bind);
  const auth = settings(env).list("MINT_AUTH", "", isAuth, []);
  return {
    auth,
    projectDir,
    dataDir,
    bind,
    monitoringBind,
    ports,
    host,
    mintUrl: `http://${host}:${ports.mint}`,
    environment,
  };
}

/** What the example client is told. */
export interface ClientConfig {
  readonly mintUrl: string;
  /** WebSocket, or TCP? */
  readonly useWebSocket: boolean;
}

/** @throws {ConfigError} that lists everything wrong, one line per variable */
export function readClientConfig(env: Env = withEnvFile()): ClientConfig {
  const from = settings(env);
  const port = from.port("MINT_PORT", 8080);
  const mintUrl = from.text("MINT_URL", `http://${urlHost(readBind(from))}:${port}`);
  const useWebSocket = from.flag("USE_WEBSOCKET", true);
  from.done();
  return { mintUrl, useWebSocket };
}

/** What the mint's commands are told. */
export interface CliConfig {
  /** The directory that the keys are exported to. */
  readonly keysDir: string;
  readonly policyFile: string;
  readonly apiKeysFile: string;
  /** The issuer that needs no place in the policy file. */
  readonly issuer?: OidcIssuer | undefined;
}

/** @throws {ConfigError} that lists everything wrong, one line per variable */
export function readCliConfig(env: Env = existsSync(envFile) ? withEnvFile() : process.env): CliConfig {
  const from = settings(env);
  const dataDir = resolve(projectDir, from.text("DATA_DIR", ".data"));
  const config = {
    keysDir: from.text("MINT_KEYS_DIR", join(dataDir, "keys")),
    policyFile: from.text("MINT_POLICY_FILE", join(projectDir, "fs/mint/policy.json")),
    apiKeysFile: from.text("MINT_API_KEYS_FILE", join(projectDir, "fs/mint/api-keys.json")),
    issuer: readIssuer(from),
  };
  from.done();
  return config;
}

const projectDir = join(import.meta.dirname, "../..");
const envFile = join(projectDir, ".env");

/** As docker compose does it: what is set in the environment wins over `.env`. */
function withEnvFile(): Env {
  return { ...parse(readFileSync(envFile)), ...process.env };
}

const isAuth = (text: string): text is Auth => ["dev", "oidc", "api-key"].includes(text);
const isText = (_: string): _ is string => true;

/** More than any machine here has cores; a slip of the finger doesn't start thousands. */
const MAX_WORKERS = 64;

function parseWorkers(text: string): number | undefined {
  return /^\d{1,2}$/.test(text) && inRange(+text, 1, MAX_WORKERS) ? +text : undefined;
}

function parseRateLimit(text: string): MintConfig["rateLimit"] | undefined {
  if (text === "off") return "off";
  const [address = 0, subject = 0] = /^([1-9]\d*), ?([1-9]\d*)$/.exec(text)?.slice(1).map(Number) ?? [];
  return isRateLimit(address) && isRateLimit(subject) ? { address, subject } : undefined;
}

const isHostName = (text: string): text is string => /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(text);

/** As a browser sends it: scheme, host and port in their normal spelling, and nothing else. */
function isOrigin(text: string): text is string {
  return /^https?:/.test(text) && URL.parse(text)?.origin === text;
}

/**
 * Reads variables one by one and remembers what is wrong, to say it all at once in `done`. An empty variable counts as
 * not set. Where a variable has no default, it must be set. After a mistake a reader returns
 * something of no use; a list at least is a list.
 */
export function settings(env: Env) {
  const wrong: string[] = [];

  function refuse(name: string, wanted: string): void {
    const value = env[name];
    wrong.push(`${name}: ${value ? `got ${show(name, value)}` : "is not set"}, wanted ${wanted}`);
  }

  function read<T>(
    name: string,
    wanted: string,
    parse: (text: string) => T | undefined,
    fallback: T | undefined,
  ): T {
    const text = env[name]?.trim();
    const value = text ? parse(text) : fallback;
    if (value === undefined) refuse(name, wanted);
    return value as T;
  }

  return {
    /** Any text. */
    text: (name: string, fallback?: string) => read(name, "some text", (text) => text, fallback),

    /** A text that passes the check. */
    checked: (name: string, wanted: string, check: (text: string) => boolean, fallback?: string) =>
      read(name, wanted, (text) => (check(text) ? text : undefined), fallback),

    /** What becomes of a text; undefined for a wrong one. */
    parsed: read,

    /** A TCP port. */
    port: (name: string, fallback?: number) =>
      read(
        name,
        "a port, 1 to 65535",
        (text) => (/^\d{1,5}$/.test(text) && inRange(+text, 1, 65535) ? +text : undefined),
        fallback,
      ),

    /** `true` or `false`. */
    flag: (name: string, fallback?: boolean) =>
      read(name, "true or false", (text) => ({ true: true, false: false })[text], fallback),

    /** A comma-separated list of texts that pass the check. */
    list: <T extends string>(
      name: string,
      wanted: string,
      check: (text: string) => text is T,
      fallback?: readonly T[],
    ) => read<readonly T[]>(name, wanted, (text) => every(split(text), check), fallback) ?? [],

    /** A JSON list of texts that pass the check. */
    jsonList: (
      name: string,
      wanted: string,
      check: (text: string) => text is string,
      fallback?: readonly string[],
    ) => read<readonly string[]>(name, wanted, (text) => every(parseJson(text), check), fallback) ?? [],

    /** A comma-separated list of URLs with one of these schemes. */
    urls: (name: string, schemes: readonly string[], fallback?: readonly string[]) => {
      // Clients get these URLs: what would log in doesn't belong in them.
      const isUrl = (text: string): text is string => {
        const url = URL.parse(text);
        return url !== null && schemes.includes(url.protocol.slice(0, -1)) && !url.username && !url.password;
      };
      const wanted = `a comma-separated list of ${schemes.map((scheme) => `${scheme}://`).join(" or ")} URLs`;
      return read<readonly string[]>(name, wanted, (text) => every(split(text), isUrl), fallback) ?? [];
    },

    /** Remembers a mistake that only shows when several variables are seen together. */
    refuse,

    /** @throws {ConfigError} when anything was wrong */
    done(): void {
      if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
    },
  };
}

const inRange = (number: number, from: number, to: number) => number >= from && number <= to;

/** The parts of a comma-separated list; undefined when there are none. */
function split(text: string): string[] | undefined {
  const list = text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
  return list.length > 0 ? list : undefined;
}

/** The list, if it is one and all of it passes. */
function every<T extends string>(
  list: unknown,
  check: (text: string) => text is T,
): readonly T[] | undefined {
  const passes = (item: unknown): item is T => typeof item === "string" && check(item);
  return Array.isArray(list) && list.every(passes) ? list : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value for a message, unless its name or its looks say that it is a secret. */
function show(name: string, value: string): string {
  const secret = /SECRET|SEED|TOKEN|PASS|KEY$/.test(name) || /S[A-Z2-7]{57}|eyJ|@/.test(value);
  return secret ? "something (not shown)" : quote(value);
}
