import type { UnauthorizedError } from "./errors.ts";

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
  /** A client's connection is gone: lost, and the client connects again by itself; or closed, by the client. */
  | { readonly type: "disconnected"; readonly reason: string }
  /** The server refused a subject. */
  | {
      readonly type: "denied";
      readonly operation: "publish" | "subscription";
      readonly subject: string;
      readonly queue?: string;
    }
  /** There will be no more credentials: log in again, then call `refresh()`, or start a new session. */
  | { readonly type: "unauthorized"; readonly error: UnauthorizedError }
  /** The session was closed. */
  | { readonly type: "closed" };

export type Denial = Extract<SessionEvent, { type: "denied" }>;

export type Listener = (event: SessionEvent) => void;
