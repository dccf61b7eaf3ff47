/** What a page imports: a NATS connection whose credential is always fresh. docs/browser.md */
export type { CredentialRequest, CredentialSource, Credentials, Permissions } from "./credential.ts";
export { credentials, type Endpoint } from "./endpoint.ts";
export { SessionError, UnauthorizedError } from "./errors.ts";
export type { Listener, SessionEvent } from "./events.ts";
export type { Nkeys } from "./key.ts";
export { type ConnectionOptions, type NatsSession, natsSession, type SessionOptions } from "./session.ts";
