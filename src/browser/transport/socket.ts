import type { Credential } from "../credential/credential.ts";
import type { LiveCredentialsEvent } from "../events.ts";
import { encodeLine, makeSplitter } from "./frames.ts";
import { openLink, type PlainWebSocket, type ServerLink } from "./link.ts";
import { isQuiet, livenessCheck } from "./liveness.ts";
import { makeRelay, type Relay } from "./relay.ts";
import { refusalLine } from "./server-errors.ts";

/** What a client's socket needs of the live credentials. */
export interface SocketHost {
  /** Resolves with a usable credential as soon as there is one; rejects if there will be none. */
  credential(): Promise<Credential>;
  /** Opens a WebSocket. */
  webSocket(url: string): PlainWebSocket;
  emit(event: LiveCredentialsEvent): void;
  /** Something has arrived, so the page is running. */
  heard(): void;
  /** The socket has closed. */
  closed(): void;
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

/** A client's socket, with what the live credentials do with it. */
export interface ClientSocket extends WebSocketShape {
  /**
   * Opens a new connection, logs in on it, and replaces the current one. Does nothing if the client is not logged in: it
   * will log in with the newest credential.
   * @throws {Error} if that failed; the current connection stays, if it still can
   */
  swap(): Promise<void>;
  /**
   * Checks whether the server is still there, by a PING: at once if `isUrgent`, else after some silence. Without a
   * response the connection is lost.
   * @returns whether the connection is logged in with another credential than this one
   */
  check(credential: Credential, isUrgent: boolean): boolean;
  /** Ends the connection, not by the client's wish: the client reconnects. */
  lose(reason: string): void;
}

/**
 * What a NATS client uses as its WebSocket. Behind it there is one real WebSocket, and during a swap there are two. The
 * login is done here: the client's CONNECT is sent with the credential.
 */
export function openClientSocket(url: string, host: SocketHost): ClientSocket {
  /** Milliseconds that one server needs at most to deliver a message to all subscribers; and the servers of a cluster. */
  const SETTLE_SERVER = 100;
  const SETTLE_CLUSTER = 300;
  const NO_RESPONSE = "no response from the server";

  const split = makeSplitter();
  const isAlive = livenessCheck();
  let relay: Relay<ServerLink> | undefined;
  /** The next connection, during a swap. */
  let next: ServerLink | undefined;
  /** The client has got the first INFO. */
  let isGreeted = false;
  let isLoggedIn = false;
  let isClosed = false;
  let settling: ReturnType<typeof setTimeout> | undefined;

  const socket: ClientSocket = {
    // What the client sends is handed over at once: it never has to wait.
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
      const opened = open();
      next = opened;
      try {
        await relay?.swap(opened);
      } catch (error) {
        opened.close();
        if (!isClosed) throw error;
      } finally {
        next = undefined;
      }
    },

    check(credential, isUrgent) {
      if (!isLoggedIn) return false;
      const { link, ping } = relay as Relay<ServerLink>;
      if (next && next !== link && isQuiet(next.heardAt)) next.lose(NO_RESPONSE);
      if (!isAlive(link.heardAt, isUrgent, ping)) socket.lose(NO_RESPONSE);
      return link.credential !== credential;
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
    host.closed();
    if (isLoggedIn) host.emit({ type: "disconnected", reason });
    // Not at once: the client may not have set its handlers yet.
    setTimeout(() => {
      // A client that has got INFO and waits for its login goes on waiting after a close, unless it is refused.
      if (isGreeted && !isLoggedIn) toClient(encodeLine(refusalLine(reason)));
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
      host.webSocket(url),
      host.credential,
      (frames) => relay?.fromServer(link, frames),
      (reason) => {
        // Before the cut, the client goes on without the next connection.
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
