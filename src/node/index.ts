/**
 * The public interface of `nats-mint/node`: what `nats-mint/browser` has, for programs on Node, Bun and Deno, also over
 * TCP. See docs/backends.md.
 */

export type {
  CredentialRequest,
  CredentialSource,
  CredsResponse,
  Permissions,
} from "../browser/credential/credential.ts";
export { credentials, type Endpoint, type TokenRequest } from "../browser/credential/endpoint.ts";
export type { Nkeys } from "../browser/credential/key.ts";
export { CredentialError, UnauthorizedError } from "../browser/errors.ts";
export type { Listener, LiveCredentialsEvent } from "../browser/events.ts";
export type { ConnectionOptions } from "../browser/live-credentials.ts";
export type { PlainWebSocket } from "../browser/transport/link.ts";
export {
  type BackendCredentials,
  type BackendOptions,
  liveCredentials,
  type TcpOptions,
} from "./live-credentials.ts";
export type { TlsOptions } from "./tcp-socket.ts";
