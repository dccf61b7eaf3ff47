/** The mint as a library: `createMint` signs, `createApp` serves it over HTTP, `watchKeys` follows exported keys. */

export { type DevOptions, devAuthentication } from "./auth/dev.ts";
export { formatCreds } from "./core/creds.ts";
export * from "./core/errors.ts";
export type { Asked, Authenticator, Grant, Identity, Policy } from "./core/identity.ts";
export { parseLifetime, type Seconds } from "./core/lifetime.ts";
export { type Credentials, createMint, type Mint, type MintOptions } from "./core/mint.ts";
export { type AccountPublicKey, parseUserPublicKey, type UserPublicKey } from "./core/nkey.ts";
export type { Permissions, SubjectRules } from "./core/roles.ts";
export { parseSubjectToken, type SubjectToken } from "./core/subject-token.ts";
export { parseTags, type Tags } from "./core/tags.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export type { CredsResponse } from "./http/creds.ts";
export type { Servers } from "./http/servers.ts";
export { type ExportedKeys, readKeys } from "./keys/read.ts";
export { type WatchedKeys, type WatchOptions, watchKeys } from "./keys/watch.ts";
