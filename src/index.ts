/** The mint as a library: `createMint` signs, `createApp` serves it over HTTP, `watchKeys` follows exported keys. */

export { type ApiKeyOptions, apiKeyAuthentication } from "./auth/api-key.ts";
export { type DevOptions, devAuthentication } from "./auth/dev.ts";
export { firstOf } from "./auth/first-of.ts";
export { type OidcAuthentication, type OidcOptions, oidcAuthentication } from "./auth/oidc.ts";
export type { ApiKey } from "./core/api-key.ts";
export { formatCreds } from "./core/creds.ts";
export type { Answered, DecidedCredential, Decision } from "./core/decision.ts";
export { deriveUser } from "./core/derived-user.ts";
export * from "./core/errors.ts";
export type { Asked, Authenticator, Grant, Identity, Policy } from "./core/identity.ts";
export type { OidcIssuer } from "./core/issuer.ts";
export { parseLifetime, type Seconds } from "./core/lifetime.ts";
export { type Credentials, createMint, type Mint, type MintOptions } from "./core/mint.ts";
export { type AccountPublicKey, parseUserPublicKey, type UserPublicKey } from "./core/nkey.ts";
export { compilePolicy, type PolicyRules, type RulePolicy } from "./core/policy.ts";
export type { Permissions, SubjectRules } from "./core/roles.ts";
export { parseSubjectToken, type SubjectToken } from "./core/subject-token.ts";
export { parseTags, type Tags } from "./core/tags.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export type { CredsResponse } from "./http/creds.ts";
export type { Page } from "./http/every-request.ts";
export type { Servers } from "./http/servers.ts";
export { type ExportedKeys, readKeys } from "./keys/read.ts";
export { type WatchedKeys, type WatchOptions, watchKeys } from "./keys/watch.ts";
