import type { CredentialSource, CredsResponse } from "./credential/credential.ts";
import { makeUserKey, type Nkeys } from "./credential/key.ts";
import { CredentialError } from "./errors.ts";
import type { Listener, LiveCredentialsEvent } from "./events.ts";
import { startRenewal } from "./renewal.ts";
import { backoff, stopwatch } from "./time.ts";
import type { PlainWebSocket } from "./transport/link.ts";
import { type ClientSocket, openClientSocket } from "./transport/socket.ts";

export interface LiveCredentialsOptions {
  /** Called with every event, from the first request on. */
  readonly on?: Listener;
  /** The module `nkeys.js` or `@nats-io/nkeys`, where WebCrypto has no Ed25519. */
  readonly nkeys?: Nkeys;
  /** Opens a WebSocket, where there is none (Node before version 22) or where it needs settings. */
  readonly webSocket?: (url: string) => PlainWebSocket;
}

/**
 * Options for `connect` of `nats.ws` and `wsconnect` of `@nats-io/nats-core`. Others may be added; these must stay, except
 * that `inboxPrefix` may be another one that the role grants.
 */
export interface ConnectionOptions {
  /** WebSocket URLs. */
  servers: string[];
  inboxPrefix: string;
  wsFactory: (url: string) => Promise<{ socket: WebSocket; encrypted: boolean }>;
  maxReconnectAttempts: number;
  ignoreAuthErrorAbort: boolean;
  ignoreClusterUpdates: boolean;
  /** Milliseconds. */
  reconnectDelayHandler: () => number;
}

/** A user's credentials for NATS, which are renewed before they expire, and the connections that use them. */
export interface LiveCredentials {
  /** The options to connect a client with. Several clients may be connected; they use the same credential. */
  connectOptions(): ConnectionOptions;
  /** The current credential, as the source returned it. */
  readonly current: CredsResponse;
  /** Milliseconds until the current credential expires, by the server's clock; `Infinity` if it does not. */
  readonly timeLeft: number;
  /**
   * Requests a new credential and puts every connection on it. Resolves when that is done; retries until then.
   * @throws {UnauthorizedError} if no further credential can be had
   * @throws {CredentialError} `closed` after `close()`
   */
  refresh(): Promise<void>;
  /** Calls `listener` with every event from now on. Returns a function that ends this. */
  on(listener: Listener): () => void;
  /** Closes all connections for good. No timer, no socket and no listener is left. */
  close(): void;
}

/** Before these events, timers may have stood still, or the network may have changed. Only browsers have them. */
const WAKE_EVENTS = ["visibilitychange", "resume", "online"];

/**
 * Makes a key pair and requests the first credential, without a retry.
 * @param source  `credentials({ url })` for a mint's `POST /creds`; another function that gets one credential for each
 *   call; or one credential with its `seed`, which cannot be renewed
 * @throws {UnauthorizedError} if the user may not have a credential
 * @throws {CredentialError} `unavailable` if there is no credential now; `unsupported` if Ed25519 or WebSocket is missing
 * @throws {TypeError} if the response of the source cannot be used
 */
export async function liveCredentials(
  source: CredentialSource | CredsResponse,
  {
    on,
    nkeys,
    webSocket = globalThis.WebSocket && ((url) => new WebSocket(url)),
  }: LiveCredentialsOptions = {},
): Promise<LiveCredentials> {
  /** Milliseconds between two checks of the clocks and the connections. */
  const TICK = 1000;
  /** Milliseconds between two checks from which on the machine must have slept: timers are never late by so much. */
  const SLEEP = 10_000;
  /** Milliseconds between two dials of a client, at most. */
  const LONGEST_DIAL_DELAY = 4000;

  if (!webSocket) throw new CredentialError("unsupported", "no WebSocket here: pass `webSocket`");
  const listeners = new Set<Listener>(on && [on]);
  const sockets = new Set<ClientSocket>();
  let isClosed = false;
  let sinceTick = stopwatch();
  /** Dials since a client last logged in, and the milliseconds that clients have to wait for the next one. */
  let dials = 0;
  let dialDelay = 0;

  const emit = (event: LiveCredentialsEvent) => {
    if (event.type === "connected") dials = 0;
    // Listeners run later: an error in one of them interrupts nothing here.
    for (const listener of listeners) queueMicrotask(() => listener(event));
  };

  const renewal = await startRenewal(source, await makeUserKey(nkeys), emit, () =>
    Promise.all([...sockets].map((socket) => socket.swap())),
  );

  /** Checks the clocks and the connections. */
  const tick = (isAwake: boolean) => {
    const isUrgent = isAwake || sinceTick() > SLEEP;
    sinceTick = stopwatch();
    if (isUrgent) renewal.wake();
    const credential = renewal.credential();
    let isDue = credential.isDue();
    for (const socket of sockets) isDue = socket.check(credential, isUrgent) || isDue;
    // Failures are reported as events.
    if (isDue && sockets.size && !renewal.final()) renewal.refresh().catch(() => {});
  };
  const onWake = () => tick(true);

  const open = (url: string): WebSocket => {
    dialDelay = backoff(dials++, LONGEST_DIAL_DELAY);
    const socket = openClientSocket(url, {
      credential: renewal.usable,
      webSocket,
      emit,
      // Browsers may throttle the timer of a hidden page.
      heard: () => sinceTick() > TICK && tick(false),
      closed: () => sockets.delete(socket),
    });
    sockets.add(socket);
    return socket as unknown as WebSocket;
  };

  const ticking = setInterval(tick, TICK);
  // Capturing: some of these events are the document's, and reach the window only on their way down.
  for (const type of WAKE_EVENTS) globalThis.addEventListener?.(type, onWake, true);
  return {
    get current() {
      return renewal.credential().response;
    },
    get timeLeft() {
      return renewal.credential().timeLeft();
    },
    connectOptions() {
      const { servers, inbox_prefix: inboxPrefix = "_INBOX" } = renewal.credential().response;
      return {
        servers: servers.filter((url) => url.startsWith("ws")),
        inboxPrefix,
        wsFactory: async (url) => ({ socket: open(url), encrypted: url.startsWith("wss:") }),
        maxReconnectAttempts: -1,
        // Clients end after two refusals in a row, but the next credential may be accepted.
        ignoreAuthErrorAbort: true,
        // The servers of a cluster announce addresses that browsers cannot reach.
        ignoreClusterUpdates: true,
        reconnectDelayHandler() {
          const final = renewal.final();
          // An error here ends the client for good, with that error.
          if (final && (isClosed || !renewal.credential().isUsable())) throw final;
          return dialDelay;
        },
      };
    },
    refresh() {
      renewal.wake();
      return renewal.refresh();
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(ticking);
      for (const type of WAKE_EVENTS) globalThis.removeEventListener?.(type, onWake, true);
      renewal.close();
      emit({ type: "closed" });
      listeners.clear();
      for (const socket of sockets) socket.lose("closed");
    },
  };
}
