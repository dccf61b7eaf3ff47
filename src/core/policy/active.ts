import { InvalidPolicyError } from "../errors.ts";
import type { PolicyFile } from "./file.ts";
import type { OidcIssuer } from "./issuer.ts";
import { compilePolicy, type RulePolicy } from "./rules.ts";

/** A policy together with the issuer that stands in the settings. */
export interface ActivePolicy {
  readonly file: PolicyFile;
  /** All of them, each once. */
  readonly issuers: readonly OidcIssuer[];
  readonly grant: RulePolicy;
}

/**
 * Puts a policy to use.
 * @param issuer the one that needs no place in the file
 * @throws {InvalidPolicyError} when it stands in the file too, there is none at all, or names come from a claim and there
 * are several issuers
 */
export function activatePolicy(file: PolicyFile, issuer: OidcIssuer | undefined): ActivePolicy {
  if (issuer && file.issuers.some((other) => other.issuer === issuer.issuer)) {
    throw new InvalidPolicyError("issuers: the one of OIDC_ISSUER is among them too; name it in one place");
  }
  const issuers = issuer ? [issuer, ...file.issuers] : file.issuers;
  if (issuers.length === 0) {
    throw new InvalidPolicyError("issuers: there is none, and no OIDC_ISSUER: there is nobody to believe");
  }
  return {
    file,
    issuers,
    grant: compilePolicy(
      file,
      issuers.map((known) => known.issuer),
    ),
  };
}
