import type { Credential } from "./credential.ts";
import { encode, type Frame, Splitter } from "./frames.ts";
import { infoOf, Link } from "./link.ts";
import { type ConnectOptions, type Denial, Relay } from "./relay.ts";

/** What a client's socket needs of the session. */
export interface Host {
  /** A credential that can be used, as soon as there is one. Rejects when there won't be. */
  credential(): Promise<Credential>;
  connected(url: string): void;
  disconnected(reason: string): void;
  denied(denial: Denial): void;
  /** Something came: the page is awake. */
  heard(): void;
  /** This socket is done. */
  gone(socket: ClientSocket): void;
}

/** Milliseconds that one server may take to hand a message to everybody; and those of a cluster, among themselves. */
const SETTLE_SERVER = 100;
const SETTLE_CLUSTER = 300;
/** Milliseconds that a swap may take, from the dial to the cut. */
const SWAP_PATIENCE = 15_000;
/** Milliseconds of silence after which the server is asked for a word, and what it may take to answer. */
const QUIET = 10_000;
const PROBE_PATIENCE = 5000;

/**
 * What a NATS client takes for its WebSocket. Behind it are one real one and, during a swap, two. Logging in is done
 * here: the client's CONNECT gets its credential on the way.
 */
export class ClientSocket {
  binaryType = "arraybuffer";
  /** Never anything to wait for: what the client sends is out of its hands. */
  readonly bufferedAmount = 0;
  readyState: number = WebSocket.CONNECTING;
  onopen: ((event: object) => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null;
  onerror: ((event: object) => void) | null = null;
  onclose: ((event: object) => void) | null = null;

  readonly #url: string;
  readonly #host: Host;
  readonly #splitter = new Splitter();
  #link: Link | undefined;
  #next: Link | undefined;
  #relay: Relay<Link> | undefined;
  #info: Frame | undefined;
  #connect: ConnectOptions = {};
  #isLoggedIn = false;
  /** `performance.now()` when the server was asked for a word that it has not given yet. */
  #probedAt: number | undefined;
  #settleTime = SETTLE_SERVER;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  constructor(url: string, host: Host) {
    this.#url = url;
    this.#host = host;
    // The client sets its handlers once it has the socket.
    void this.#dial().catch((error: Error) => this.lose(error.message));
  }

  /** From the client. */
  send(data: ArrayBuffer | Uint8Array): void {
    if (this.#isClosed) return;
    this.#relay?.fromClient(this.#splitter.push(new Uint8Array(data)));
  }

  /** The client is done with it. */
  close(): void {
    if (this.#isClosed) return;
    if (this.#isLoggedIn) this.#relay?.leave();
    this.#end();
    queueMicrotask(() => this.onclose?.({ wasClean: true, code: 1000, reason: "" }));
  }

  /**
   * Logs in with this credential on a new connection and puts that in the place of the present one. Nothing to do while
   * there is none: the client logs in with it when it connects.
   * @throws {Error} when it could not be; the present connection goes on, if it still can
   */
  async swap(credential: Credential): Promise<void> {
    const relay = this.#relay;
    if (!this.#isLoggedIn || !relay || this.#next) return;
    const next = new Link(this.#url);
    this.#next = next;
    const giveUp = this.#after(SWAP_PATIENCE, () => next !== this.#link && next.lose("it took too long"));
    try {
      const info = await logIn(next, credential, this.#connect);
      const isSameServer = infoOf(info).server_id === infoOf(this.#info as Frame).server_id;
      this.#settleTime = isSameServer ? SETTLE_SERVER : SETTLE_CLUSTER;
      this.#info = info;
      next.onGone = (reason) => this.#loseNext(next, reason);
      next.onFrames = (frames) => relay.fromServer(next, frames);
      await relay.swap(next, info);
    } catch (error) {
      if (next !== this.#link) next.close();
      if (!this.#isClosed) throw error;
    } finally {
      giveUp();
      this.#next = undefined;
    }
  }

  /** It's logged in, but not with this. */
  isBehind(credential: Credential): boolean {
    return this.#isLoggedIn && this.#link?.credential !== credential;
  }

  /** Ends it, not by the client's wish: it will want to connect again. */
  lose(reason: string): void {
    if (this.#isClosed) return;
    this.#relay?.abandon(new Error(reason));
    this.#end();
    const tell = () => {
      if (!this.#isLoggedIn) this.onerror?.({ message: reason });
      this.onclose?.({ wasClean: false, code: 1006, reason });
    };
    if (!this.#isLoggedIn) {
      // The client may not have set its handlers yet.
      setTimeout(tell);
      return;
    }
    this.#host.disconnected(reason);
    tell();
  }

  /** Looks whether the server is still there; at once when `isUrgent`, else after some silence. */
  check(isUrgent: boolean): void {
    const link = this.#link;
    if (!link || !this.#isLoggedIn) return;
    const now = performance.now();
    if (link.isGone) this.lose("the connection is gone");
    else if (this.#probedAt === undefined) {
      if (isUrgent || now - link.heardAt > QUIET) this.#probe(now);
    } else if (link.heardAt < this.#probedAt && now - this.#probedAt > PROBE_PATIENCE) {
      this.lose("the server does not answer");
    }
  }

  get #isClosed(): boolean {
    return this.readyState > WebSocket.OPEN;
  }

  async #dial(): Promise<void> {
    await this.#host.credential();
    if (this.#isClosed) return;
    const link = new Link(this.#url);
    this.#link = link;
    link.onGone = (reason) => this.lose(reason);
    link.onFrames = (frames) => this.#open(link, frames);
  }

  /** The server's first word: the client answers it with CONNECT. */
  #open(link: Link, frames: Frame[]): void {
    const relay = new Relay<Link>(link, {
      toClient: (bytes) => this.#toClient(bytes),
      toServer: (to, bytes) => to.send(bytes),
      connect: (options) => this.#connectWith(link, options),
      settle: () => new Promise((resolve) => this.#after(this.#settleTime, resolve)),
      release: (old) => {
        old.close();
        this.#link = this.#next;
      },
      denied: (denial) => this.#host.denied(denial),
    });
    this.#relay = relay;
    this.#info = frames[0];
    this.readyState = WebSocket.OPEN;
    this.onopen?.({});
    link.onFrames = (more) => relay.fromServer(link, more);
    relay.fromServer(link, frames);
  }

  #connectWith(link: Link, options: ConnectOptions): void {
    this.#connect = options;
    const logIn = async () => {
      await link.logIn(await this.#host.credential(), options, this.#info as Frame);
      this.#relay?.open();
      await this.#relay?.ping();
      this.#isLoggedIn = true;
      this.#host.connected(this.#url);
    };
    logIn().catch((error: Error) => this.lose(error.message));
  }

  #toClient(bytes: Uint8Array): void {
    const isWhole = bytes.byteLength === bytes.buffer.byteLength;
    this.onmessage?.({ data: (isWhole ? bytes : bytes.slice()).buffer as ArrayBuffer });
    this.#host.heard();
  }

  #probe(now: number): void {
    this.#probedAt = now;
    void this.#relay?.ping().then(() => {
      this.#probedAt = undefined;
    });
  }

  /** The next connection broke. Before the cut the present one goes on. */
  #loseNext(next: Link, reason: string): void {
    if (next === this.#link || this.#relay?.isCutting) this.lose(reason);
    else this.#relay?.abandon(new Error(reason));
  }

  #end(): void {
    this.readyState = WebSocket.CLOSED;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#link?.close();
    this.#next?.close();
    this.#host.gone(this);
  }

  /** Acts later, unless the socket has ended by then. Returns how to call it off. */
  #after(time: number, act: () => void): () => void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, time);
    this.#timers.add(timer);
    return () => clearTimeout(timer);
  }
}

/** Logs in on a connection that the client knows nothing of. Resolves with the server's INFO when it lets in. */
function logIn(link: Link, credential: Credential, options: ConnectOptions): Promise<Frame> {
  return new Promise((resolve, reject) => {
    let info: Frame | undefined;
    link.onGone = (reason) => reject(new Error(reason));
    link.onFrames = (frames) => {
      for (const frame of frames) {
        if (frame.verb === "PONG") resolve(info as Frame);
        else if (frame.verb === "-ERR") reject(new Error(frame.line));
        else if (frame.verb === "INFO" && !info) {
          info = frame;
          link
            .logIn(credential, options, frame)
            .then(() => link.send(encode("PING\r\n")))
            .catch(reject);
        }
      }
    };
  });
}
