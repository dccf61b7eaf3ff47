import { connect, type Msg, type NatsConnection } from "nats.ws";
import {
  credentials,
  type LiveCredentials,
  type LiveCredentialsEvent,
  liveCredentials,
  type Permissions,
} from "../src/browser/index.ts";
import { History } from "./history.ts";

/** A room over NATS: talk, ticks and what the server refuses. No elements here. */

/** Milliseconds between two ticks. */
const TICK = 100;
/** Ticks that are sent at once, at most, when the browser held this page's timers back. */
const MOST_AT_ONCE = 50;
/** Milliseconds that a message may take to be stored. */
const PATIENCE = 5000;

export interface Wish {
  readonly room: string;
  readonly name: string;
  /** Seconds that a credential shall live. */
  readonly ttl: number;
}

export interface Said {
  readonly name: string;
  readonly text: string;
  readonly at: Date;
}

/** A numbered message, which every tab sends several times a second. */
export interface Tick {
  readonly name: string;
  readonly tab: string;
  readonly number: number;
  /** The tab is not in view. */
  readonly isHidden: boolean;
}

/** What happens in the room. */
export interface RoomEvents {
  readonly session: (event: LiveCredentialsEvent) => void;
  readonly said: (said: Said) => void;
  readonly ticked: (tick: Tick) => void;
  readonly left: (name: string, tab: string) => void;
  /** What was said before has been read: so many messages. Or why there is none. */
  readonly history: (outcome: number | Error) => void;
}

/** The mint is there, but NATS can't be reached. */
export class NoConnectionError extends Error {
  readonly servers: readonly string[];

  constructor(servers: readonly string[], options: ErrorOptions) {
    super(`can't connect to ${servers.join(", ")}`, options);
    this.servers = servers;
  }
}

export class Room {
  readonly name: string;
  readonly room: string;
  #ttl: number;
  readonly #events: RoomEvents;
  #live!: LiveCredentials;
  #nc!: NatsConnection;
  #history: History | undefined;
  readonly #tab = crypto.randomUUID().slice(0, 8);
  #ticks = 0;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #tickedAt = performance.now();
  #isConnected = false;
  #hasLeft = false;
  /** Who waits for the server to refuse a subject. */
  readonly #denials = new Map<string, () => void>();

  private constructor({ room, name, ttl }: Wish, events: RoomEvents) {
    this.name = name;
    this.room = room;
    this.#ttl = ttl;
    this.#events = events;
  }

  /**
   * @throws {CredentialError} when there is no credential
   * @throws {NoConnectionError} when there is one, but no server
   */
  static async join(wish: Wish, events: RoomEvents): Promise<Room> {
    const room = new Room(wish, events);
    await room.#start();
    return room;
  }

  async #start(): Promise<void> {
    const { room, name } = this;
    this.#live = await liveCredentials(
      (request) =>
        credentials({ url: "/creds", role: "room", user: name, tags: { room }, ttl: this.#ttl })(request),
      { on: (event) => this.#onSession(event) },
    );
    const options = this.#live.connectOptions();
    try {
      this.#nc = await connect({ ...options, name: `demo: ${name}` });
    } catch (cause) {
      this.#live.close();
      throw new NoConnectionError(options.servers, { cause });
    }
    this.#nc.subscribe(`rooms.${room}.>`, { callback: (error, message) => !error && this.#take(message) });
    this.#history = new History(this.#nc, {
      room,
      inboxPrefix: options.inboxPrefix,
      onMessage: ({ subject, data, at }) => this.#said(subject, data, at),
      onRead: (count) => this.#events.history(count),
    });
    try {
      await this.#history.start();
    } catch (error) {
      this.#history.stop();
      this.#history = undefined;
      this.#events.history(error as Error);
    }
    this.#tickedAt = performance.now();
    this.#ticking = setInterval(() => this.#tick(), TICK / 2);
  }

  get permissions(): Permissions {
    return this.#live.current.permissions ?? {};
  }

  /** Milliseconds until the credential ends. */
  get left(): number {
    return this.#live.timeLeft;
  }

  renew(): void {
    // How it ends is told by events.
    this.#live.refresh().catch(() => {});
  }

  set ttl(seconds: number) {
    this.#ttl = seconds;
    this.renew();
  }

  /** @throws {Error} when the stream did not take it */
  async say(text: string): Promise<void> {
    const subject = `rooms.${this.room}.${this.name}.chat`;
    if (!this.#history) {
      this.#nc.publish(subject, text);
      return;
    }
    const reply = await this.#nc.request(subject, text, { timeout: PATIENCE });
    const { error } = reply.json<{ error?: { description: string } }>();
    if (error) throw new Error(error.description);
  }

  /** Tries to talk under somebody else's name. True when the server refused. */
  async trySayingAs(name: string, text: string): Promise<{ subject: string; isDenied: boolean }> {
    const subject = `rooms.${this.room}.${name}.chat`;
    const isDenied = await this.#isDenied(`publish ${subject}`, () => this.#nc.publish(subject, text));
    return { subject, isDenied };
  }

  /** Tries to listen to what is somebody else's. True when the server refused. */
  async tryListeningTo(name: string): Promise<{ subject: string; isDenied: boolean }> {
    const subject = `users.${name}.>`;
    let stop = () => {};
    const isDenied = await this.#isDenied(`subscription ${subject}`, () => {
      const subscription = this.#nc.subscribe(subject, { callback: () => {} });
      stop = () => subscription.unsubscribe();
    });
    stop();
    return { subject, isDenied };
  }

  /** Goes, and says so. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    clearInterval(this.#ticking);
    this.#history?.stop();
    this.farewell();
    if (this.#isConnected) await this.#nc.flush().catch(() => {});
    this.#live.close();
  }

  /** Tells the others that this tab is going. */
  farewell(): void {
    if (this.#isConnected) this.#nc.publish(`rooms.${this.room}.${this.name}.leave`, this.#tab);
  }

  #onSession(event: LiveCredentialsEvent): void {
    if (event.type === "connected") {
      this.#isConnected = true;
      void this.#history?.resume();
    } else if (event.type === "disconnected" || event.type === "closed") {
      this.#isConnected = false;
    } else if (event.type === "denied") {
      this.#denials.get(`${event.operation} ${event.subject}`)?.();
    }
    if (!this.#hasLeft) this.#events.session(event);
  }

  async #isDenied(denial: string, act: () => void): Promise<boolean> {
    const denied = new Promise<boolean>((resolve) => this.#denials.set(denial, () => resolve(true)));
    act();
    // The server works through what it gets in order: a refusal comes before the answer to a flush.
    const isDenied = await Promise.race([denied, this.#nc.flush().then(() => false)]);
    this.#denials.delete(denial);
    return isDenied;
  }

  /** Sends the ticks that are due by now. */
  #tick(): void {
    const now = performance.now();
    const due = Math.floor((now - this.#tickedAt) / TICK);
    this.#tickedAt = due > MOST_AT_ONCE ? now : this.#tickedAt + due * TICK;
    if (!this.#isConnected) return;
    for (let i = 0; i < Math.min(due, MOST_AT_ONCE); i++) {
      const tick = { tab: this.#tab, number: ++this.#ticks, isHidden: document.hidden };
      this.#nc.publish(`rooms.${this.room}.${this.name}.tick`, JSON.stringify(tick));
    }
  }

  /** The sender's name is from the subject, for which the server vouches; the rest is the sender's word. */
  #take(message: Msg): void {
    const [, , name = "", kind, more] = message.subject.split(".");
    if (more !== undefined) return;
    if (kind === "tick") {
      const tick = readTick(name, message.string());
      if (tick) this.#events.ticked(tick);
    } else if (kind === "leave") {
      this.#events.left(name, message.string());
    } else if (kind === "chat" && !this.#history) {
      this.#said(message.subject, message.data, new Date());
    }
  }

  #said(subject: string, data: Uint8Array, at: Date): void {
    const name = subject.split(".")[2] ?? "";
    this.#events.said({ name, text: new TextDecoder().decode(data), at });
  }
}

function readTick(name: string, text: string): Tick | undefined {
  try {
    const { tab, number, isHidden } = JSON.parse(text);
    const isTick = typeof tab === "string" && tab.length <= 64 && Number.isSafeInteger(number);
    return isTick ? { name, tab, number, isHidden: isHidden === true } : undefined;
  } catch {
    return undefined;
  }
}
