import type { UnauthorizedError } from "./errors.ts";

/** What live credentials report. All times are in milliseconds. */
export type LiveCredentialsEvent =
  /** A client is logged in to `server`, for the first time or after a reconnect. Not reported at a renewal. */
  | { readonly type: "connected"; readonly server: string }
  /** A new credential is being requested. */
  | { readonly type: "refreshing" }
  /** The request failed, or the credential could not be used. Connections stay; the next attempt is in `delay`. */
  | { readonly type: "delayed"; readonly error: Error; readonly delay: number }
  /** All connections use a new credential, which is valid for `lifetime` from now. */
  | { readonly type: "refreshed"; readonly lifetime: number }
  /** A client's connection has ended. If it was lost, the client reconnects; if the client closed it, it does not. */
  | { readonly type: "disconnected"; readonly reason: string }
  /** The server denied a subject. The connection stays. */
  | {
      readonly type: "denied";
      readonly operation: "publish" | "subscription";
      readonly subject: string;
      readonly queue?: string;
    }
  /** No further credential is requested. Log in again, then call `refresh()` or start again. */
  | { readonly type: "unauthorized"; readonly error: UnauthorizedError }
  /** `close()` was called. The last event. */
  | { readonly type: "closed" };

export type Denial = Extract<LiveCredentialsEvent, { type: "denied" }>;

export type Listener = (event: LiveCredentialsEvent) => void;
