/** The mint as a library: `createMint` signs, `createApp` serves it over HTTP, `watchKeys` follows exported keys. */

export { type ApiKeyOptions, apiKeyAuthentication } from "./auth/api-key.ts";
export { firstOf } from "./auth/combine.ts";
export type { JwtIssuer } from "./auth/jwt/issuer-table.ts";
export { type JwtAuthentication, type JwtOptions, jwtAuthentication } from "./auth/jwt/verifier.ts";
export type { ApiKey } from "./core/api-key/key.ts";
export type { DecidedCredential, Decision, HandledRequest } from "./core/decision.ts";
export * from "./core/errors.ts";
export type { Authorizer, Grant, Identity, Proof, Requested, TokenAuthenticator } from "./core/identity.ts";
export {
  type DoorRequest,
  type IssueParts,
  type IssueRequest,
  issue,
  type Outcome,
  type RequestContext,
} from "./core/issue.ts";
export { formatCreds } from "./core/keys/creds-file.ts";
export { type AccountPublicKey, parseUserPublicKey, type UserPublicKey } from "./core/keys/nkey.ts";
export { parseLifetime, type Seconds } from "./core/lifetime.ts";
export { type Credentials, createMint, findMint, type Mint, type MintOptions } from "./core/mint.ts";
export { deriveUser } from "./core/policy/derived-user.ts";
export type { OidcIssuer } from "./core/policy/issuer.ts";
export { compilePolicy, type PolicyRules, type SyncAuthorizer } from "./core/policy/rules.ts";
export { type LimitState, type RateLimiter, type RateLimits, rateLimiter } from "./core/rate-limit.ts";
export type { Permissions, SubjectRules } from "./core/roles/role.ts";
export { parseSubjectToken, type SubjectToken } from "./core/subject-token.ts";
export { parseTags, type Tags } from "./core/tags.ts";
export { type ExportedKeys, readKeys } from "./files/exported-keys.ts";
export { type WatchedKeys, type WatchOptions, watchKeys } from "./files/watch-keys.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export { bearerToken } from "./http/bearer.ts";
export type { Authenticator } from "./http/creds/proof.ts";
export type { CredsResponse } from "./http/creds/response.ts";
export type { Servers } from "./http/creds/servers.ts";
export { type DevOptions, devAuthentication } from "./http/dev.ts";
export * from "./http/errors.ts";
export { type FetchApp, type NodeRequest, type NodeResponse, nodeHandler } from "./http/node-handler.ts";
export type { Route, RouteHandler } from "./http/routes.ts";
