import {
  type Credential,
  type CredentialSource,
  type Credentials,
  readCredential,
  stopwatch,
} from "./credential.ts";
import { ClosedError, RefusedError, SessionError, UnauthorizedError, UnavailableError } from "./errors.ts";
import type { Listener, SessionEvent } from "./events.ts";
import { makeUserKey, type Nkeys, type UserKey } from "./key.ts";
import { ClientSocket } from "./socket.ts";

export interface SessionOptions {
  /** Told of everything from the first request on; `on` only takes listeners once the session is there. */
  readonly on?: Listener;
  /** An nkeys implementation for browsers without Ed25519: the module `nkeys.js` or `@nats-io/nkeys`. */
  readonly nkeys?: Nkeys;
  /** Milliseconds to go on trying for the first credential. 10,000 by default. */
  readonly patience?: number;
}

/** Options for `connect` of `nats.ws` and `wsconnect` of `@nats-io/nats-core`. Add to them; don't replace them. */
export interface ConnectionOptions {
  servers: string[];
  inboxPrefix: string;
  wsFactory: (url: string) => Promise<{ socket: WebSocket; encrypted: boolean }>;
  maxReconnectAttempts: number;
  ignoreAuthErrorAbort: boolean;
  ignoreClusterUpdates: boolean;
  pingInterval: number;
  reconnectDelayHandler: () => number;
}

/** A user's way to the servers, with a credential that is always fresh. */
export interface NatsSession {
  /** What to connect with. Connect as often as you like; all connections live on the same credential. */
  options(): ConnectionOptions;
  /** The present credential. */
  readonly credentials: Credentials;
  /** Milliseconds until it ends, by the server's clock. */
  readonly left: number;
  /**
   * Fetches a new credential and puts every connection on it. Resolves when that is done, however long it takes.
   * @throws {UnauthorizedError} when there is none to be had
   * @throws {ClosedError} when the session was closed
   */
  refresh(): Promise<void>;
  /** Hears every event from now on, until the function that it returns is called. */
  on(listener: Listener): () => void;
  /** Ends it: no timer, no socket and no listener is left, and clients that are still connected close for good. */
  close(): void;
}

/**
 * Fetches the first credential.
 * @param source  the credentials themselves, an endpoint (`credentials(…)`), or any function that gets them
 * @throws {UnauthorizedError | RefusedError} at once
 * @throws {UnavailableError} when `patience` is over
 * @throws {UnsupportedError} when this browser can't make a key
 */
export async function natsSession(
  source: CredentialSource | Credentials,
  { on, nkeys, patience = 10_000 }: SessionOptions = {},
): Promise<NatsSession> {
  const key = await makeUserKey(nkeys);
  const session = new Session(typeof source === "function" ? source : only(source), key, nkeys);
  if (on) session.on(on);
  await session.start(patience);
  return session;
}

/** A source that has one credential and no other. */
function only(credentials: Credentials): CredentialSource {
  let isGiven = false;
  return () => {
    if (isGiven) throw new UnauthorizedError("there is no other credential to be had");
    isGiven = true;
    return credentials;
  };
}

/** Milliseconds between two looks at the clocks and the connections. */
const TICK = 1000;
/** A longer step of the clocks than timers are ever late: the machine slept. */
const NAP = 5000;
/** Milliseconds that a source may take. */
const SOURCE_PATIENCE = 10_000;
/** Milliseconds between tries: from and to, and to when there is nothing left to live on. */
const FIRST_DELAY = 250;
const LONGEST_DELAY = 30_000;
const LONGEST_DELAY_WITHOUT = 700;
/** Milliseconds between a client's dials: from and to. */
const FIRST_DIAL_DELAY = 100;
const LONGEST_DIAL_DELAY = 4000;
/** Where in a credential's life the next one is fetched. */
const DUE = [0.75, 0.85] as const;

const WAKING = ["visibilitychange", "resume", "online", "pageshow"];

/** Doubles up to `longest`; the last half is left to chance, so that pages that failed together don't come back together. */
const backoff = (attempt: number, first: number, longest: number) =>
  Math.min(longest, first * 2 ** attempt) * (0.5 + Math.random() / 2);

class Session implements NatsSession {
  readonly #source: CredentialSource;
  readonly #key: UserKey;
  readonly #nkeys: Nkeys | undefined;
  readonly #listeners = new Set<Listener>();
  readonly #sockets = new Set<ClientSocket>();
  readonly #closing = new AbortController();
  #credential: Credential | undefined;
  /** Milliseconds before a credential's end at which the next one is due. */
  #dueAt = 0;
  #refreshing: Promise<void> | undefined;
  /** Clients that want to log in. */
  readonly #waiting: { resolve: (credential: Credential) => void; reject: (reason: Error) => void }[] = [];
  /** Why there is nothing more to wait for. */
  #final: UnauthorizedError | ClosedError | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #sinceTick = stopwatch();
  /** Dials of clients that did not lead to a login, and what they wait for that. */
  #failedDials = 0;
  #dialDelay = 0;
  /** Ends the wait for the next try. */
  #wake: (() => void) | undefined;
  readonly #onWake = () => this.#tick(true);

  constructor(source: CredentialSource, key: UserKey, nkeys: Nkeys | undefined) {
    this.#source = source;
    this.#key = key;
    this.#nkeys = nkeys;
  }

  async start(patience: number): Promise<void> {
    let latest: SessionError = new UnavailableError("the source of credentials does not answer");
    let giveUp: (reason: Error) => void = () => {};
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const timer = setTimeout(() => giveUp(latest), patience);
    const unhear = this.on((event) => {
      if (event.type !== "delayed") return;
      latest = event.error;
      if (latest instanceof RefusedError) giveUp(latest);
    });
    try {
      await Promise.race([this.refresh(), givenUp]);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
      unhear();
    }
  }

  get credentials(): Credentials {
    return this.#present.answer;
  }

  get left(): number {
    return this.#present.left;
  }

  options(): ConnectionOptions {
    const { servers, inbox_prefix: inboxPrefix = "_INBOX" } = this.credentials;
    return {
      servers: [...servers],
      inboxPrefix,
      wsFactory: async (url) => ({
        socket: this.#open(url) as unknown as WebSocket,
        encrypted: url.startsWith("wss:"),
      }),
      maxReconnectAttempts: -1,
      // Two refusals in a row would end the client, but the next credential may do.
      ignoreAuthErrorAbort: true,
      // A cluster's servers name themselves by addresses that browsers can't reach.
      ignoreClusterUpdates: true,
      pingInterval: 20_000,
      reconnectDelayHandler: () => this.#delayDial(),
    };
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  on(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#end(new ClosedError("the session was closed"));
    this.#closing.abort();
    this.#emit({ type: "closed" });
    this.#listeners.clear();
    for (const socket of this.#sockets) socket.lose("the session was closed");
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  get #present(): Credential {
    if (!this.#credential) throw new ClosedError("the session never had a credential");
    return this.#credential;
  }

  /** Fetches until there is a credential with which every connection can go on. */
  async #refresh(): Promise<void> {
    if (this.#isClosed) throw this.#final;
    this.#final = undefined;
    this.#emit({ type: "refreshing" });
    for (let attempt = 0; ; attempt++) {
      try {
        const credential = await this.#fetch();
        await this.#swapAll(credential);
        this.#emit({ type: "refreshed", lifetime: credential.left });
        return;
      } catch (error) {
        if (this.#isClosed) throw this.#final;
        if (error instanceof UnauthorizedError) {
          this.#end(error);
          this.#emit({ type: "unauthorized", error });
          throw error;
        }
        await this.#delay(attempt, error);
      }
    }
  }

  async #fetch(): Promise<Credential> {
    const age = stopwatch();
    const abort = new AbortController();
    const aborted = new Promise<never>((_, reject) => {
      abort.signal.onabort = () => reject(new UnavailableError("the source of credentials does not answer"));
    });
    const stop = () => abort.abort();
    const timer = setTimeout(stop, SOURCE_PATIENCE);
    this.#closing.signal.addEventListener("abort", stop);
    try {
      const asked = this.#source({ publicKey: this.#key.publicKey, signal: abort.signal });
      const answer = await Promise.race([asked, aborted]);
      const credential = await readCredential(answer, this.#key, age, this.#nkeys);
      if (!credential.isUsable) throw new UnavailableError("the credential had ended when it came");
      const [from, to] = DUE;
      this.#dueAt = credential.lifetime * (1 - from - Math.random() * (to - from));
      this.#credential = credential;
      for (const { resolve } of this.#waiting.splice(0)) resolve(credential);
      return credential;
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener("abort", stop);
    }
  }

  async #swapAll(credential: Credential): Promise<void> {
    const swaps = await Promise.allSettled([...this.#sockets].map((socket) => socket.swap(credential)));
    for (const swap of swaps) if (swap.status === "rejected") throw swap.reason;
  }

  /** Waits for the next try: the shorter, the closer the end is; after the end a hundredth of the time since. */
  async #delay(attempt: number, cause: unknown): Promise<void> {
    const left = this.#credential?.isUsable
      ? this.#credential.left / 4
      : -(this.#credential?.left ?? 0) / 100;
    const longest = Math.min(LONGEST_DELAY, Math.max(LONGEST_DELAY_WITHOUT, left));
    const { message } = cause as Error;
    const error = cause instanceof SessionError ? cause : new UnavailableError(message, { cause });
    const retryAfter = error instanceof UnavailableError ? error.retryAfter : 0;
    const delay = Math.max(retryAfter, backoff(attempt, FIRST_DELAY, longest));
    this.#emit({ type: "delayed", error, delay });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, delay);
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#closing.signal.onabort = wake;
      this.#wake = retryAfter > 0 ? undefined : wake;
    });
  }

  /** A credential to log in with. */
  async #usable(): Promise<Credential> {
    if (this.#credential?.isUsable) return this.#credential;
    if (this.#final) throw this.#final;
    const next = new Promise<Credential>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    // How it ends is told by events, and to those who wait.
    this.refresh().catch(() => {});
    return next;
  }

  #end(reason: UnauthorizedError | ClosedError): void {
    this.#final = reason;
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  #open(url: string): ClientSocket {
    this.#dialDelay = backoff(this.#failedDials++, FIRST_DIAL_DELAY, LONGEST_DIAL_DELAY);
    const socket = new ClientSocket(url, {
      credential: () => this.#usable(),
      connected: (server) => {
        this.#failedDials = 0;
        this.#emit({ type: "connected", server });
      },
      disconnected: (reason) => this.#emit({ type: "disconnected", reason }),
      denied: (denial) => this.#emit({ type: "denied", ...denial }),
      heard: () => {
        if (this.#sinceTick() > TICK) this.#tick();
      },
      gone: () => {
        this.#sockets.delete(socket);
        if (this.#sockets.size === 0) this.#watch(false);
      },
    });
    if (this.#sockets.size === 0) this.#watch(true);
    this.#sockets.add(socket);
    return socket;
  }

  /** What a client waits between two dials. It asks several times: the answer must be the same. */
  #delayDial(): number {
    // A client that gets an error here closes for good, with that error.
    if (this.#isClosed || (this.#final && !this.#credential?.isUsable)) throw this.#final;
    return this.#dialDelay;
  }

  /** Looks at the clocks, as long as there is something to look after. */
  #watch(isOn: boolean): void {
    clearInterval(this.#ticking);
    const act = isOn ? "addEventListener" : "removeEventListener";
    // Some are the document's: on their way to it they pass here.
    for (const type of WAKING) globalThis[act](type, this.#onWake, true);
    if (!isOn) return;
    this.#sinceTick = stopwatch();
    this.#ticking = setInterval(() => this.#tick(), TICK);
  }

  #tick(isAwake = false): void {
    const isUrgent = isAwake || this.#sinceTick() > NAP;
    this.#sinceTick = stopwatch();
    if (isUrgent) this.#wake?.();
    for (const socket of this.#sockets) socket.check(isUrgent);
    if (this.#final || this.#refreshing || !this.#credential) return;
    const isBehind = [...this.#sockets].some((socket) => socket.isBehind(this.#credential as Credential));
    if (isBehind || this.#credential.left < this.#dueAt) this.refresh().catch(() => {});
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
