/** The public interface of `nats-mint/browser`: NATS connections on credentials that renew themselves. See docs/browser.md. */

export type {
  CredentialRequest,
  CredentialSource,
  CredsResponse,
  Permissions,
} from "./credential/credential.ts";
export { credentials, type Endpoint, type TokenRequest } from "./credential/endpoint.ts";
export type { Nkeys } from "./credential/key.ts";
export { CredentialError, UnauthorizedError } from "./errors.ts";
export type { Listener, LiveCredentialsEvent } from "./events.ts";
export {
  type ConnectionOptions,
  type LiveCredentials,
  type LiveCredentialsOptions,
  liveCredentials,
} from "./live-credentials.ts";
export type { PlainWebSocket } from "./transport/link.ts";
