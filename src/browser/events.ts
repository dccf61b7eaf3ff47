import type { UnauthorizedError } from "./errors.ts";
import type { Denial } from "./relay.ts";

/** What a session tells. Times are milliseconds. */
export type SessionEvent =
  /** A client is logged in, for the first time or again. */
  | { readonly type: "connected"; readonly server: string }
  /** A new credential is being fetched. */
  | { readonly type: "refreshing" }
  /** It did not come, or could not be used, yet; the next try is in `delay`. What is connected stays so. */
  | { readonly type: "delayed"; readonly error: Error; readonly delay: number }
  /** A new credential is in use, for `lifetime` from now. */
  | { readonly type: "refreshed"; readonly lifetime: number }
  /** A client has lost its connection, and connects again by itself. */
  | { readonly type: "disconnected"; readonly reason: string }
  /** The server refused a subject. */
  | ({ readonly type: "denied" } & Denial)
  /** There will be no more credentials: log in again, then call `refresh()`, or start a new session. */
  | { readonly type: "unauthorized"; readonly error: UnauthorizedError }
  /** The session was closed. */
  | { readonly type: "closed" };

export type Listener = (event: SessionEvent) => void;
