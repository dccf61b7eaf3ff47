import type { Credential } from "./credential.ts";
import type { SessionEvent } from "./events.ts";
import { encode, makeSplitter } from "./frames.ts";
import { openLink, type ServerLink } from "./link.ts";
import { makeRelay, type Relay } from "./relay.ts";

/** What a client's socket needs of the session. */
export interface Host {
  /** A credential that can be used, as soon as there is one. Rejects when there won't be. */
  credential(): Promise<Credential>;
  emit(event: SessionEvent): void;
  /** Something came: the page is awake. */
  heard(): void;
  /** This socket is done. */
  gone(): void;
}

/** The part of a WebSocket that NATS clients use. */
interface WebSocketShape {
  readonly bufferedAmount: number;
  onmessage?: ((event: { data: ArrayBuffer }) => void) | null;
  onerror?: ((event: object) => void) | null;
  onclose?: ((event: object) => void) | null;
  send(data: ArrayBuffer | Uint8Array): void;
  close(): void;
}

/** What the session does with it. */
export interface ClientSocket extends WebSocketShape {
  /**
   * Logs in anew, and puts the new connection in the place of the present one. Nothing to do while there is none: the
   * client will log in by itself.
   * @throws {Error} when it could not be; the present connection goes on, if it still can
   */
  swap(): Promise<void>;
  /**
   * Looks whether the server is still there; at once when `isUrgent`, else after some silence.
   * @returns whether it is logged in with another credential
   */
  check(credential: Credential, isUrgent: boolean): boolean;
  /** Ends it, not by the client's wish: it will want to connect again. */
  lose(reason: string): void;
}

/** Milliseconds that one server may take to hand a message to everybody; and those of a cluster, among themselves. */
const SETTLE_SERVER = 100;
const SETTLE_CLUSTER = 300;
/**
 * Milliseconds of silence after which the server is asked for a word, and what it may take to answer. After such a silence
 * of the next connection a swap is given up.
 */
const QUIET = 10_000;
const PROBE_PATIENCE = 3000;

/**
 * What a NATS client takes for its WebSocket. Behind it is one real one and, during a swap, there are two. Logging in is
 * done here: the client's CONNECT gets its credential on the way.
 */
export function openClientSocket(url: string, host: Host): ClientSocket {
  const split = makeSplitter();
  let relay: Relay<ServerLink> | undefined;
  let next: ServerLink | undefined;
  let isGreeted = false;
  let isLoggedIn = false;
  let isClosed = false;
  let settling: ReturnType<typeof setTimeout> | undefined;
  /** `performance.now()` when the server was asked for a word for the last time. */
  let probedAt = 0;

  const socket: ClientSocket = {
    // What the client sends is out of its hands.
    bufferedAmount: 0,

    send(data) {
      if (!isClosed) relay?.fromClient(split(new Uint8Array(data)));
    },

    close() {
      if (isClosed) return;
      if (isLoggedIn) relay?.leave();
      end(relay?.link.credential?.refusal ?? "closed");
    },

    async swap() {
      if (!isLoggedIn || next) return;
      const fresh = open();
      next = fresh;
      try {
        await relay?.swap(fresh);
      } catch (error) {
        fresh.close();
        if (!isClosed) throw error;
      } finally {
        next = undefined;
      }
    },

    check(credential, isUrgent) {
      if (!relay || !isLoggedIn) return false;
      const { heardAt, credential: own } = relay.link;
      const now = performance.now();
      if (next && next !== relay.link && now - next.heardAt > QUIET) next.lose("no answer from the server");
      if (heardAt > probedAt) {
        if (isUrgent || now - heardAt > QUIET) {
          probedAt = now;
          void relay.ping();
        }
      } else if (now - probedAt > PROBE_PATIENCE) socket.lose("no answer from the server");
      return own !== credential;
    },

    lose(reason) {
      if (isClosed) return;
      relay?.abandon(new Error(reason));
      end(reason);
    },
  };

  function end(reason: string) {
    isClosed = true;
    clearTimeout(settling);
    relay?.link.close();
    next?.close();
    host.gone();
    if (isLoggedIn) host.emit({ type: "disconnected", reason });
    // Not at once: the client may not have set its handlers yet.
    setTimeout(() => {
      // Clients that were greeted but are not logged in go on waiting, unless they are refused.
      if (isGreeted && !isLoggedIn) toClient(encode(`-ERR 'Authorization Violation: ${reason}'\r\n`));
      else if (!isLoggedIn) socket.onerror?.({ message: reason });
      socket.onclose?.({ wasClean: false, reason });
    });
  }

  function toClient(bytes: Uint8Array) {
    isGreeted = true;
    socket.onmessage?.({ data: bytes.slice().buffer as ArrayBuffer });
    host.heard();
  }

  function open(): ServerLink {
    const link = openLink(
      url,
      host.credential,
      (frames) => relay?.fromServer(link, frames),
      (reason) => {
        // Before the cut, a client goes on without the next connection.
        if (link === relay?.link || !relay?.abandon(new Error(reason))) socket.lose(reason);
      },
    );
    return link;
  }

  async function dial() {
    await host.credential();
    if (isClosed) return;
    relay = makeRelay(open(), {
      toClient,
      ready() {
        isLoggedIn = true;
        host.emit({ type: "connected", server: url });
      },
      settle: (isSameServer) =>
        new Promise((resolve) => {
          settling = setTimeout(resolve, isSameServer ? SETTLE_SERVER : SETTLE_CLUSTER);
        }),
      denied: host.emit,
    });
  }

  dial().catch((error) => socket.lose(error.message));
  return socket;
}
