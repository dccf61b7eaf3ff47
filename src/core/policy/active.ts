import { InvalidPolicyError } from "../errors.ts";
import type { PolicyFile } from "./file.ts";
import type { OidcIssuer } from "./issuer.ts";
import { compilePolicy, type SyncAuthorizer } from "./rules.ts";

/** A policy together with the issuer from the settings. */
export interface ActivePolicy {
  readonly file: PolicyFile;
  /** The issuers of the file and of the settings, each once. */
  readonly issuers: readonly OidcIssuer[];
  readonly grant: SyncAuthorizer;
}

/**
 * Combines a policy file with the issuer from the settings.
 * @param issuer the issuer of OIDC_ISSUER; the file must not list it too
 * @throws {InvalidPolicyError} when the file lists it too, when there is no issuer at all, or when user names come from
 * a claim and there are several issuers
 */
export function activatePolicy(file: PolicyFile, issuer: OidcIssuer | undefined): ActivePolicy {
  if (issuer && file.issuers.some((other) => other.issuer === issuer.issuer)) {
    throw new InvalidPolicyError(
      "issuers: the issuer of OIDC_ISSUER is listed here too; name it in one place",
    );
  }
  const issuers = issuer ? [issuer, ...file.issuers] : file.issuers;
  if (issuers.length === 0) {
    throw new InvalidPolicyError("issuers: must not be empty when OIDC_ISSUER is not set");
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
