import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { z } from "zod";
import { AUTH_METHODS } from "../core/identity.ts";
import { ALLOW_HTTP, describeIssuerUrl, isIssuerUrl, type OidcIssuer } from "../core/policy/issuer.ts";
import { normalAddress } from "../util/address.ts";
import { isHostName } from "../util/host-name.ts";
import { projectDir } from "./env.ts";
import { flag, list, port, text, variable } from "./values.ts";

/** The variables that several processes read. */

const bindAddress = variable(
  "an IP address of this machine",
  z.string().transform(parseBindAddress).pipe(z.string()),
).default("127.0.0.1");

/** An IPv6 address may have the brackets that docker-compose.yaml needs. */
function parseBindAddress(text: string): string | undefined {
  return text.includes("%") ? undefined : normalAddress(text.replace(/^\[(.*)\]$/, "$1"));
}

export const NATS_BIND = bindAddress;
export const NATS_PORT = port.default(4222);
export const NATS_WS_PORT = port.default(9222);
export const NATS_HTTP_BIND = bindAddress;
export const NATS_HTTP_PORT = port.default(8222);
export const MINT_PORT = port.default(8080);

export const MINT_DEV_HOSTS = list(
  "a comma-separated list of host names, without ports",
  z.string().refine(isHostName),
).default([]);

/** Absolute; a relative path starts at the checkout. */
export const DATA_DIR = text.default(".data").transform((path) => resolve(projectDir, path));

export const MINT_AUTH = list(
  `a comma-separated list of ${AUTH_METHODS.join(", ")} (dev accepts every caller without proof, so there is no default)`,
  z.enum(AUTH_METHODS),
);

/** The policy: `policy.local.json`, which is one's own, if there is one beside it. */
export const MINT_POLICY_FILE = text.transform((path) => {
  const own = path.replace(/\.json$/, ".local.json");
  return existsSync(own) ? own : path;
});

/**
 * The OpenID issuer that the policy file does not list, of which both variables are set or neither, and how the keys of
 * all issuers are fetched.
 */
export const ISSUER = {
  OIDC_ISSUER: variable(
    describeIssuerUrl,
    z.string().refine((text) => isIssuerUrl(text, { allowHttp: true })),
  ).optional(),
  OIDC_AUDIENCE: list("a comma-separated list", z.string()).optional(),
  OIDC_ALLOW_HTTP: flag.default(false),
  OIDC_CA_FILE: text.transform((path) => resolve(projectDir, path)).optional(),
};

type IssuerValues = { readonly [Name in keyof typeof ISSUER]?: z.output<(typeof ISSUER)[Name]> | undefined };

/** The check of `ISSUER`, for `superRefine` of a block that has it. */
export function checkIssuer(values: IssuerValues, { addIssue }: Pick<z.RefinementCtx, "addIssue">): void {
  const refuse = (name: keyof IssuerValues, message: string) =>
    addIssue({ code: "custom", path: [name], message });
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_ALLOW_HTTP: allowHttp } = values;
  if (
    issuer !== undefined &&
    !allowHttp &&
    isIssuerUrl(issuer, { allowHttp: true }) &&
    !isIssuerUrl(issuer)
  ) {
    refuse(
      "OIDC_ISSUER",
      `${describeIssuerUrl(issuer)}. ${ALLOW_HTTP}=true accepts plain http, for prototyping only`,
    );
  }
  if (issuer !== undefined && audience === undefined) {
    refuse("OIDC_AUDIENCE", "the audience of OIDC_ISSUER's tokens for this service");
  }
  if (audience !== undefined && issuer === undefined) {
    refuse("OIDC_ISSUER", "the issuer that OIDC_AUDIENCE belongs to");
  }
}

/** The issuer of these variables; undefined when they are not set. */
export const toIssuer = ({
  OIDC_ISSUER: issuer,
  OIDC_AUDIENCE: audience,
}: IssuerValues): OidcIssuer | undefined => (issuer && audience ? { issuer, audience } : undefined);

/**
 * The host of a URL for a port that is open on this address. Never `localhost`, which may be another address on which
 * another user's program listens.
 */
export const urlHost = (bind: string) => inBrackets({ "0.0.0.0": "127.0.0.1", "::": "::1" }[bind] ?? bind);

/** The form of an address before a port. */
export const inBrackets = (address: string) => (isIP(address) === 6 ? `[${address}]` : address);
