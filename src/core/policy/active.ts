import { InvalidPolicyError } from "../errors.ts";
import type { When } from "./conditions.ts";
import type { PolicyFile } from "./file.ts";
import { issuerNames, type OidcIssuer } from "./issuer.ts";
import { compilePolicy, type SyncAuthorizer } from "./rules.ts";

/** A policy together with the issuer from the settings. */
export interface ActivePolicy {
  readonly file: PolicyFile;
  /** The issuers of the file and of the settings, each once. */
  readonly issuers: readonly OidcIssuer[];
  /** The values of `iss` that tokens of these issuers may have. */
  readonly names: readonly string[];
  readonly grant: SyncAuthorizer;
}

/**
 * Combines a policy file with the issuer from the settings.
 * @param issuer the issuer of OIDC_ISSUER; the file must not list it too
 * @throws {InvalidPolicyError} when the file lists it too, when there is no issuer at all, or when user names come from
 * a claim and there are several issuers
 */
export function activatePolicy(file: PolicyFile, issuer: OidcIssuer | undefined): ActivePolicy {
  if (issuer && file.issuers.flatMap(issuerNames).includes(issuer.issuer)) {
    throw new InvalidPolicyError(
      "issuers: the issuer of OIDC_ISSUER is listed here too; name it in one place",
    );
  }
  const issuers = issuer ? [issuer, ...file.issuers] : file.issuers;
  if (issuers.length === 0) {
    throw new InvalidPolicyError(
      "issuers: must not be empty when OIDC_ISSUER is not set. Set OIDC_ISSUER and OIDC_AUDIENCE, or list an issuer here",
    );
  }
  const names = issuers.flatMap(issuerNames);
  const rules = file.rules.map((rule) => ({ ...rule, when: withTenants(rule.when, issuers) }));
  return { file: { ...file, rules }, issuers, names, grant: compilePolicy({ ...file, rules }, names) };
}

/** The condition with the names of an issuer's tenants, and of no other issuer, in place of the issuer's own name. */
function withTenants(when: When, issuers: readonly OidcIssuer[]): When {
  const named = issuers.find(({ issuer, tenants }) => tenants && issuer === when.issuer);
  return named ? { ...when, issuer: issuerNames(named) } : when;
}
