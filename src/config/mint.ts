import { z } from "zod";
import type { AuthMethodName } from "../core/identity.ts";
import { DEFAULT_RATE_LIMITS, isRateLimit, type RateLimits } from "../core/rate-limit.ts";
import { isRoleName } from "../core/role-name.ts";
import { isAddressRange } from "../util/address.ts";
import { withDevOrigins } from "./dev-origins.ts";
import { ALWAYS, type Block, type Env, envReader, variablesOf } from "./env.ts";
import { origins } from "./origins.ts";
import {
  checkIssuer,
  ISSUER,
  MINT_AUTH,
  MINT_DEV_HOSTS,
  MINT_POLICY_FILE,
  MINT_PORT,
  NATS_BIND,
  NATS_PORT,
  NATS_WS_PORT,
  toIssuer,
  urlHost,
} from "./shared.ts";
import { list, port, text, urls, variable, wholeNumber } from "./values.ts";

/** The configuration of the mint's service. */
export interface MintConfig {
  readonly auth: AuthConfig;
  readonly host: string;
  readonly port: number;
  /** Where browsers on this machine reach the mint, if that is known; in a container it is another address. */
  readonly publishedUrl?: string | undefined;
  /** The number of processes that serve the port together. */
  readonly workers: number;
  /** The directory that the keys are exported to. */
  readonly keysDir: string;
  /** Requests a minute. */
  readonly rateLimit: RateLimits | "off";
  /** Addresses and CIDR ranges of the proxies whose `X-Forwarded-For` is trusted. */
  readonly trustedProxies: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Those of `MINT_ALLOWED_ORIGINS`; the others are allowed because of `dev`. */
  readonly configuredOrigins: readonly string[];
  /** Request headers that pages may send, besides the usual ones. */
  readonly allowedHeaders: readonly string[];
  readonly servers: { readonly websocket: readonly string[]; readonly tcp: readonly string[] };
}

/** The settings of each authentication method in use. A method that is not in `MINT_AUTH` has none. */
export type AuthConfig = { readonly [Method in AuthMethodName]?: z.output<(typeof AUTH)[Method]> };

const AUTH = {
  oidc: z
    .object({ MINT_POLICY_FILE, NODE_ENV: z.string().optional(), ...ISSUER })
    .superRefine(checkIssuer, ALWAYS)
    .refine(({ OIDC_ALLOW_HTTP, NODE_ENV }) => !(OIDC_ALLOW_HTTP && NODE_ENV === "production"), {
      path: ["OIDC_ALLOW_HTTP"],
      message:
        "false where NODE_ENV is production: with plain http, an issuer's keys can be replaced on their way",
      ...ALWAYS,
    })
    .transform((values) => ({
      policyFile: values.MINT_POLICY_FILE,
      /** The issuer of `OIDC_ISSUER`, which the policy file does not list. */
      issuer: toIssuer(values),
      /** Whether issuers may be reached by plain http. */
      allowHttp: values.OIDC_ALLOW_HTTP,
      /** A file of authorities, in PEM, that certificates of issuers may be from, besides the usual ones. */
      caFile: values.OIDC_CA_FILE,
    })),

  "api-key": z.object({ MINT_API_KEYS_FILE: text }).transform((values) => ({
    keysFile: values.MINT_API_KEYS_FILE,
  })),

  dev: z
    .object({
      MINT_DEFAULT_ROLE: variable(
        "a role's name",
        z.string().refine((text): boolean => isRoleName(text)),
      ).default("browser"),
      MINT_DEV_HOSTS,
      MINT_DEMO_DIR: text.optional(),
    })
    .transform((values) => ({
      defaultRole: values.MINT_DEFAULT_ROLE,
      /** Host names under which requests are accepted, besides this machine's own. */
      hosts: values.MINT_DEV_HOSTS,
      /** The directory that the demo page was built into; undefined if it is not served. */
      demoDir: values.MINT_DEMO_DIR,
    })),
} satisfies Record<AuthMethodName, Block>;

const METHODS = z
  .object({ MINT_AUTH, NODE_ENV: z.string().optional() })
  .refine(({ MINT_AUTH: methods, NODE_ENV }) => !(methods.includes("dev") && NODE_ENV === "production"), {
    path: ["MINT_AUTH"],
    message: "anything but dev where NODE_ENV is production: dev accepts every caller without proof",
    when: ({ issues }) => issues.length === 0,
  });

/** More than the cores of a usual machine, and few enough that a typing error does not start thousands of processes. */
const MAX_WORKERS = 64;

const limit = z.number().refine(isRateLimit);
const limits = z
  .string()
  .regex(/^[1-9]\d*, ?[1-9]\d*$/)
  .transform((text) => text.split(",").map(Number))
  .pipe(z.tuple([limit, limit]))
  .transform(([address, subject]) => ({ address, subject }));

/** RFC 9110, section 5.1, without `*`: in a preflight's response it would mean every header. */
const headerName = z.string().regex(/^[\w!#$%&'+.^`|~-]+$/);

const SERVICE = z.object({
  MINT_HOST: text.default("127.0.0.1"),
  MINT_PORT,
  MINT_WORKERS: wholeNumber(`a number of processes, 1 to ${MAX_WORKERS}`, MAX_WORKERS).default(1),
  MINT_KEYS_DIR: text,
  MINT_ALLOWED_ORIGINS: origins().optional(),
  NATS_WS_ORIGINS: origins(1).default([]),
  MINT_PUBLISHED_PORT: port.optional(),
  MINT_ALLOWED_HEADERS: list("a comma-separated list of header names, x-request-source", headerName).default(
    [],
  ),
  MINT_RATE_LIMIT: variable(
    "requests a minute for each address and for each caller, 600,60, or off",
    z.union([z.literal("off"), limits]),
  ).default(DEFAULT_RATE_LIMITS),
  MINT_TRUSTED_PROXIES: list(
    "a comma-separated list of addresses and ranges, 10.0.0.0/8",
    z.string().refine(isAddressRange),
  ).default([]),
  NATS_BIND,
  NATS_WS_PORT,
  NATS_WS_URLS: urls(["ws", "wss"]).optional(),
  NATS_PORT,
  NATS_TCP_URLS: urls(["nats", "tls"]).optional(),
});

/** The names of the variables that `readMintConfig` reads. */
export const MINT_VARIABLES = variablesOf({ METHODS, SERVICE, ...AUTH });

/** @throws {ConfigError} with one line for each mistake */
export function readMintConfig(env: Env = process.env): MintConfig {
  const from = envReader(env);
  const methods = from.readIfValid(z.object({ MINT_AUTH }))?.MINT_AUTH ?? [];
  // The variables of `dev` are checked even where it is not in use.
  const { service, ...settings } = from.read({
    methods: METHODS,
    service: SERVICE,
    ...pick(AUTH, [...methods, "dev"]),
  });
  const host = urlHost(service.NATS_BIND);
  const configuredOrigins = service.MINT_ALLOWED_ORIGINS ?? service.NATS_WS_ORIGINS;
  return {
    auth: pick(settings, methods),
    host: service.MINT_HOST,
    port: service.MINT_PORT,
    publishedUrl:
      service.MINT_PUBLISHED_PORT === undefined ? undefined : `http://${host}:${service.MINT_PUBLISHED_PORT}`,
    workers: service.MINT_WORKERS,
    keysDir: service.MINT_KEYS_DIR,
    rateLimit: service.MINT_RATE_LIMIT,
    trustedProxies: service.MINT_TRUSTED_PROXIES,
    allowedOrigins: withDevOrigins(configuredOrigins, {
      auth: methods,
      // In a container the mint listens on all addresses, and NATS_BIND says where its port is published.
      bind: env.NATS_BIND?.trim() ? service.NATS_BIND : service.MINT_HOST,
      port: service.MINT_PUBLISHED_PORT,
      hosts: settings.dev?.hosts ?? [],
    }),
    configuredOrigins,
    allowedHeaders: service.MINT_ALLOWED_HEADERS,
    servers: {
      websocket: service.NATS_WS_URLS ?? [`ws://${host}:${service.NATS_WS_PORT}`],
      tcp: service.NATS_TCP_URLS ?? [`nats://${host}:${service.NATS_PORT}`],
    },
  };
}

type Picked<T, K extends keyof T> = { [Name in K]?: NonNullable<T[Name]> };

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Picked<T, K> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Picked<T, K>;
}
