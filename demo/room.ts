import { connect, type Msg, type NatsConnection } from "nats.ws";
import {
  credentials,
  type LiveCredentials,
  type LiveCredentialsEvent,
  liveCredentials,
  type Permissions,
} from "../src/browser/index.ts";
import { History } from "./history.ts";

/** A room over NATS: messages, ticks and denied subjects. It knows nothing of the page. */

/** Milliseconds between two ticks. */
const TICK = 100;
/** The number of ticks that are sent at once, at most, after the browser has throttled this page's timers. */
const MAX_BURST = 50;
/** Milliseconds that the stream has to store a message. */
const STORE_TIMEOUT = 5000;
/** Milliseconds without one of this tab's own ticks after which the connection counts as broken. */
const SILENCE = 1500;

export interface JoinRequest {
  readonly room: string;
  readonly name: string;
  /** The requested lifetime of credentials, in seconds. */
  readonly ttl: number;
}

export interface ChatMessage {
  readonly name: string;
  readonly text: string;
  readonly at: Date;
}

/** A numbered message; every tab sends several in a second. */
export interface Tick {
  readonly name: string;
  readonly tab: string;
  readonly number: number;
  /** The tab is hidden. */
  readonly isHidden: boolean;
}

/** Called with what happens in the room. */
export interface RoomEvents {
  readonly credentials: (event: LiveCredentialsEvent) => void;
  readonly message: (message: ChatMessage) => void;
  readonly ticked: (tick: Tick) => void;
  readonly left: (name: string, tab: string) => void;
  /** The number of stored messages, when all are delivered; or why they cannot be read. */
  readonly history: (outcome: number | Error) => void;
}

/** There is a credential, but no server can be reached. */
export class NoConnectionError extends Error {
  readonly servers: readonly string[];

  constructor(servers: readonly string[], options: ErrorOptions) {
    super(`cannot connect to ${servers.join(", ")}`, options);
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
  /** When the first of this tab's ticks was sent that has not come back; undefined when all have. */
  #waitingSince: number | undefined;
  #hasLeft = false;
  /** What to call when the server denies a subject. */
  readonly #denials = new Map<string, () => void>();

  private constructor({ room, name, ttl }: JoinRequest, events: RoomEvents) {
    this.name = name;
    this.room = room;
    this.#ttl = ttl;
    this.#events = events;
  }

  /**
   * @throws {CredentialError} if there is no credential
   * @throws {NoConnectionError} if no server can be reached
   */
  static async join(request: JoinRequest, events: RoomEvents): Promise<Room> {
    const room = new Room(request, events);
    await room.#start();
    return room;
  }

  async #start(): Promise<void> {
    const { room, name } = this;
    this.#live = await liveCredentials(
      (request) =>
        credentials({ url: "/creds", role: "room", user: name, tags: { room }, ttl: this.#ttl })(request),
      { on: (event) => this.#onCredentialsEvent(event) },
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
      onMessage: ({ subject, data, at }) => this.#deliver(subject, data, at),
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

  /** Milliseconds until the credential expires. */
  get timeLeft(): number {
    return this.#live.timeLeft;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Whether there is a connection, and the server sends over it. A browser reports a lost network late, or never. */
  get responds(): boolean {
    const now = performance.now();
    return this.#isConnected && now - (this.#waitingSince ?? now) < SILENCE;
  }

  renew(): void {
    // The result is reported by events.
    this.#live.refresh().catch(() => {});
  }

  set ttl(seconds: number) {
    this.#ttl = seconds;
    this.renew();
  }

  /** @throws {Error} if the stream did not store it; with the message `TIMEOUT` if it did not respond */
  async say(text: string): Promise<void> {
    const subject = `rooms.${this.room}.${this.name}.chat`;
    if (!this.#history) {
      this.#nc.publish(subject, text);
      await this.#nc.flush();
      return;
    }
    const reply = await this.#nc.request(subject, text, { timeout: STORE_TIMEOUT });
    const { error } = reply.json<{ error?: { description: string } }>();
    if (error) throw new Error(error.description);
  }

  /** Tries to publish a message in another user's name. */
  async tryPublishingAs(name: string, text: string): Promise<{ subject: string; isDenied: boolean }> {
    const subject = `rooms.${this.room}.${name}.chat`;
    const isDenied = await this.#isDenied(`publish ${subject}`, () => this.#nc.publish(subject, text));
    return { subject, isDenied };
  }

  /** Tries to subscribe to another user's subjects. */
  async trySubscribingTo(name: string): Promise<{ subject: string; isDenied: boolean }> {
    const subject = `users.${name}.>`;
    let stop = () => {};
    const isDenied = await this.#isDenied(`subscription ${subject}`, () => {
      const subscription = this.#nc.subscribe(subject, { callback: () => {} });
      stop = () => subscription.unsubscribe();
    });
    stop();
    return { subject, isDenied };
  }

  /** Tells the others, and closes the connection. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    clearInterval(this.#ticking);
    this.#history?.stop();
    this.farewell();
    if (this.#isConnected) await this.#nc.flush().catch(() => {});
    this.#live.close();
  }

  /** Tells the others that this tab leaves. */
  farewell(): void {
    if (this.#isConnected) this.#nc.publish(`rooms.${this.room}.${this.name}.leave`, this.#tab);
  }

  #onCredentialsEvent(event: LiveCredentialsEvent): void {
    if (event.type === "connected") {
      this.#isConnected = true;
      this.#waitingSince = undefined;
      void this.#history?.resume();
    } else if (event.type === "disconnected" || event.type === "closed") {
      this.#isConnected = false;
    } else if (event.type === "denied") {
      this.#denials.get(`${event.operation} ${event.subject}`)?.();
    }
    if (!this.#hasLeft) this.#events.credentials(event);
  }

  async #isDenied(denial: string, act: () => void): Promise<boolean> {
    const denied = new Promise<boolean>((resolve) => this.#denials.set(denial, () => resolve(true)));
    act();
    // The server processes commands in their order: a denial arrives before the PONG of a flush.
    const isDenied = await Promise.race([denied, this.#nc.flush().then(() => false)]);
    this.#denials.delete(denial);
    return isDenied;
  }

  /** Sends the ticks that are due by now. */
  #tick(): void {
    const now = performance.now();
    const due = Math.floor((now - this.#tickedAt) / TICK);
    this.#tickedAt = due > MAX_BURST ? now : this.#tickedAt + due * TICK;
    if (!this.#isConnected) return;
    if (due > 0) this.#waitingSince ??= now;
    for (let i = 0; i < Math.min(due, MAX_BURST); i++) {
      const tick = { tab: this.#tab, number: ++this.#ticks, isHidden: document.hidden };
      this.#nc.publish(`rooms.${this.room}.${this.name}.tick`, JSON.stringify(tick));
    }
  }

  /** The sender's name is part of the subject, which the server has checked. The rest is not verified. */
  #take(message: Msg): void {
    const [, , name = "", kind, more] = message.subject.split(".");
    if (more !== undefined) return;
    if (kind === "tick") {
      const tick = readTick(name, message.string());
      if (!tick) return;
      if (tick.tab === this.#tab && name === this.name) {
        this.#waitingSince = tick.number < this.#ticks ? performance.now() : undefined;
      }
      this.#events.ticked(tick);
    } else if (kind === "leave") {
      this.#events.left(name, message.string());
    } else if (kind === "chat" && !this.#history) {
      this.#deliver(message.subject, message.data, new Date());
    }
  }

  #deliver(subject: string, data: Uint8Array, at: Date): void {
    const name = subject.split(".")[2] ?? "";
    this.#events.message({ name, text: new TextDecoder().decode(data), at });
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
