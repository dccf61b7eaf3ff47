import {
  type Credential,
  type CredentialRequest,
  type CredentialSource,
  type Credentials,
  readCredential,
  stopwatch,
} from "./credential.ts";
import { SessionError, UnauthorizedError } from "./errors.ts";
import type { Listener, SessionEvent } from "./events.ts";
import { makeUserKey, type Nkeys } from "./key.ts";
import { type ClientSocket, openClientSocket } from "./socket.ts";

export interface SessionOptions {
  /** Told of everything from the first request on. */
  readonly on?: Listener;
  /** An nkeys implementation for browsers without Ed25519: the module `nkeys.js` or `@nats-io/nkeys`. */
  readonly nkeys?: Nkeys;
}

/** Options for `connect` of `nats.ws` and `wsconnect` of `@nats-io/nats-core`. Add to them; don't replace them. */
export interface ConnectionOptions {
  servers: string[];
  inboxPrefix: string;
  wsFactory: (url: string) => Promise<{ socket: WebSocket; encrypted: boolean }>;
  maxReconnectAttempts: number;
  ignoreAuthErrorAbort: boolean;
  ignoreClusterUpdates: boolean;
  reconnectDelayHandler: () => number;
}

/** A user's way to the servers, with a credential that is always fresh. */
export interface NatsSession {
  /** What to connect with. Connect as often as you like: all connections live on the same credential. */
  options(): ConnectionOptions;
  /** The present credential. */
  readonly credentials: Credentials;
  /** Milliseconds until it ends, by the server's clock. */
  readonly left: number;
  /**
   * Fetches a new credential and puts every connection on it. Resolves when that is done, however long it takes.
   * @throws {UnauthorizedError} when there is none to be had
   * @throws {SessionError} `closed`, when the session was closed
   */
  refresh(): Promise<void>;
  /** Hears every event from now on, until the function that it returns is called. */
  on(listener: Listener): () => void;
  /** Ends it: no timer, no socket and no listener is left, and clients that are still connected close for good. */
  close(): void;
}

/** Milliseconds between two looks at the clocks and the connections. */
const TICK = 1000;
/** Milliseconds that a source may take; and a longer step of the clocks than timers are ever late: the machine slept. */
const PATIENCE = 10_000;
/** Milliseconds between tries: the first ones, at most, and at most while there is nothing to live on. */
const FIRST_DELAY = 200;
const LONGEST_DELAY = 30_000;
const LONGEST_DELAY_WITHOUT = 700;
/** Milliseconds between a client's dials, at most. */
const LONGEST_DIAL_DELAY = 4000;

/**
 * Starts a session, with its first credential.
 * @param source  the credentials themselves, an endpoint (`credentials({ url })`), or any function that gets them
 * @throws {UnauthorizedError} when there are none for who is asking
 * @throws {SessionError} `unavailable` when they can't be had now; `unsupported` when this browser can't make a key
 */
export async function natsSession(
  source: CredentialSource | Credentials,
  { on, nkeys }: SessionOptions = {},
): Promise<NatsSession> {
  const key = await makeUserKey(nkeys);
  const listeners = new Set<Listener>(on && [on]);
  const sockets = new Set<ClientSocket>();
  let credential: Credential | undefined;
  let refreshing: Promise<void> | undefined;
  /** Why no more credentials are asked for. */
  let final: SessionError | undefined;
  let isClosed = false;
  let sinceTick = stopwatch();
  /** Dials of clients that have not led to a login, and what they wait for that. */
  let failedDials = 0;
  let dialDelay = 0;
  /** Calls off a request, or the wait for the next one. */
  let stopAsking: (reason: Error) => void = () => {};
  let wake = () => {};

  const emit = (event: SessionEvent) => {
    if (event.type === "connected") failedDials = 0;
    // What a listener throws is its own affair.
    for (const listener of listeners) queueMicrotask(() => listener(event));
  };

  const ask = async (request: CredentialRequest) => {
    if (typeof source === "function") return source(request);
    if (credential) throw new UnauthorizedError("no credential");
    return source;
  };

  /** One credential, or an error. */
  const fetchOne = async () => {
    const age = stopwatch();
    const abort = new AbortController();
    let timer: Timer | undefined;
    const stopped = new Promise<never>((_, reject) => {
      stopAsking = reject;
      timer = setTimeout(() => reject(new SessionError("unavailable", "no answer from the mint")), PATIENCE);
    });
    try {
      const asked = ask({ publicKey: key.publicKey, signal: abort.signal });
      credential = await readCredential(await Promise.race([asked, stopped]), key, age);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  };

  /** Waits for the next try: the shorter, the closer the end is; after the end a hundredth of the time since. */
  const delayNext = async (attempt: number, error: Error) => {
    const left = credential?.left ?? 0;
    const longest = Math.min(LONGEST_DELAY, Math.max(LONGEST_DELAY_WITHOUT, left / (left > 0 ? 4 : -100)));
    const { retryAfter = 0 } = error as Partial<SessionError>;
    const delay = Math.max(retryAfter, backoff(attempt, longest));
    emit({ type: "delayed", error, delay });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay);
      wake = () => {
        if (retryAfter > 0 && !isClosed) return;
        clearTimeout(timer);
        resolve();
      };
    });
  };

  const refresh = () => {
    refreshing ??= renew().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };

  const renew = async () => {
    if (!isClosed) final = undefined;
    emit({ type: "refreshing" });
    for (let attempt = 0; !isClosed; attempt++) {
      try {
        await fetchOne();
        await Promise.all([...sockets].map((socket) => socket.swap()));
        if (isClosed) break;
        emit({ type: "refreshed", lifetime: (credential as Credential).left });
        return;
      } catch (error) {
        if (isClosed) break;
        if (error instanceof UnauthorizedError) {
          final = error;
          emit({ type: "unauthorized", error });
          break;
        }
        await delayNext(attempt, error as Error);
      }
    }
    throw final;
  };

  /** What to log in with, as soon as there is something. */
  const usable = async () => {
    while (!credential?.isUsable) {
      if (final) throw final;
      await refresh();
    }
    return credential;
  };

  /** Looks at the clocks and the connections. */
  const tick = (isAwake: boolean) => {
    const isUrgent = isAwake || sinceTick() > PATIENCE;
    sinceTick = stopwatch();
    if (isUrgent) wake();
    let { isDue } = credential as Credential;
    for (const socket of sockets) isDue = socket.check(credential as Credential, isUrgent) || isDue;
    if (isDue && sockets.size > 0 && !final) refresh().catch(() => {});
  };
  const onWake = () => tick(true);

  const open = (url: string): WebSocket => {
    dialDelay = backoff(failedDials++, LONGEST_DIAL_DELAY);
    const socket = openClientSocket(url, {
      credential: usable,
      emit,
      heard: () => sinceTick() > TICK && tick(false),
      gone: () => sockets.delete(socket),
    });
    sockets.add(socket);
    return socket as unknown as WebSocket;
  };

  await fetchOne();
  const ticking = setInterval(tick, TICK);
  // Some are the document's: on their way to it they pass here.
  for (const type of WAKING) addEventListener(type, onWake, true);
  return {
    get credentials() {
      return (credential as Credential).answer;
    },
    get left() {
      return (credential as Credential).left;
    },
    options() {
      const { servers, inbox_prefix: inboxPrefix = "_INBOX" } = (credential as Credential).answer;
      return {
        servers: servers.filter((url) => url.startsWith("ws")),
        inboxPrefix,
        wsFactory: async (url) => ({ socket: open(url), encrypted: url.startsWith("wss:") }),
        maxReconnectAttempts: -1,
        // Two refusals in a row would end the client, but the next credential may do.
        ignoreAuthErrorAbort: true,
        // A cluster's servers name themselves by addresses that browsers can't reach.
        ignoreClusterUpdates: true,
        reconnectDelayHandler() {
          // A client that gets an error here closes for good, with that error.
          if (final && (isClosed || !credential?.isUsable)) throw final;
          return dialDelay;
        },
      };
    },
    refresh() {
      wake();
      return refresh();
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      final = new SessionError("closed", "closed");
      clearInterval(ticking);
      for (const type of WAKING) removeEventListener(type, onWake, true);
      stopAsking(final);
      wake();
      emit({ type: "closed" });
      listeners.clear();
      for (const socket of sockets) socket.lose(final.message);
    },
  };
}

type Timer = ReturnType<typeof setTimeout>;

const WAKING = ["visibilitychange", "resume", "online"];

/** Doubles up to `longest`; half of it is left to chance, so that pages that failed together don't come back together. */
const backoff = (attempt: number, longest: number) =>
  Math.min(longest, FIRST_DELAY * 2 ** attempt) * (0.5 + Math.random() / 2);
