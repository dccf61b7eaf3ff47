import { createInbox, type Msg, type NatsConnection, nuid, type Subscription } from "nats.ws";

/**
 * The stored and the new messages of a room: an ordered push consumer on the stream ROOMS. It is not the client's own
 * ordered consumer, because this one needs only the permission to create a consumer on the room's subjects.
 */

const STREAM = "ROOMS";
/** Milliseconds between the server's idle heartbeats. */
const HEARTBEAT = 5000;
/** Milliseconds without a message or a heartbeat, after which the consumer is replaced. */
const HEARTBEAT_TIMEOUT = 15_000;
const NANOSECONDS = 1_000_000;

export interface Stored {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly at: Date;
}

export interface HistoryOptions {
  readonly room: string;
  readonly inboxPrefix: string;
  readonly onMessage: (message: Stored) => void;
  /** All stored messages have been delivered; `count` of them. */
  readonly onRead: (count: number) => void;
}

interface Place {
  readonly inStream: number;
  readonly fromConsumer: number;
  readonly at: Date;
  /** Messages that are not delivered yet. */
  readonly pending: number | undefined;
}

interface CreateResponse {
  readonly error?: { readonly code: number; readonly description: string };
  readonly num_pending?: number;
}

export class History {
  readonly #nc: NatsConnection;
  readonly #options: HistoryOptions;
  #subscription: Subscription | undefined;
  /** The stream sequence and the consumer sequence of the latest message. */
  #inStream = 0;
  #fromConsumer = 0;
  #count = 0;
  #isRead = false;
  #watchdog: ReturnType<typeof setTimeout> | undefined;

  constructor(nc: NatsConnection, options: HistoryOptions) {
    this.#nc = nc;
    this.#options = options;
  }

  /** @throws {Error} if there is no stream, or it may not be read */
  async start(): Promise<void> {
    const pending = await this.#follow();
    if (pending === 0) this.#read();
  }

  /** Continues after the latest message with a new consumer: messages of the old one may have been lost with a connection. */
  async resume(): Promise<void> {
    try {
      await this.#follow();
    } catch {
      this.#watch();
    }
  }

  stop(): void {
    clearTimeout(this.#watchdog);
    this.#subscription?.unsubscribe();
  }

  /** Makes a consumer. Resolves with the number of messages that it will deliver. */
  async #follow(): Promise<number> {
    const { room, inboxPrefix } = this.#options;
    this.stop();
    this.#fromConsumer = 0;
    const inbox = createInbox(inboxPrefix);
    this.#subscription = this.#nc.subscribe(inbox, {
      callback: (error, message) => {
        if (!error) this.#take(message);
      },
    });
    const config = {
      name: nuid.next(),
      deliver_subject: inbox,
      filter_subject: `rooms.${room}.*.chat`,
      ack_policy: "none",
      max_deliver: 1,
      replay_policy: "instant",
      mem_storage: true,
      num_replicas: 1,
      idle_heartbeat: HEARTBEAT * NANOSECONDS,
      inactive_threshold: 2 * HEARTBEAT * NANOSECONDS,
      ...(this.#inStream > 0
        ? { deliver_policy: "by_start_sequence", opt_start_seq: this.#inStream + 1 }
        : { deliver_policy: "all" }),
    };
    const reply = await this.#nc.request(
      `$JS.API.CONSUMER.CREATE.${STREAM}.${config.name}.${config.filter_subject}`,
      JSON.stringify({ stream_name: STREAM, action: "create", config }),
      { timeout: 5000 },
    );
    const { error, num_pending = 0 } = reply.json<CreateResponse>();
    if (error) throw new Error(error.description);
    this.#watch();
    return num_pending;
  }

  #take(message: Msg): void {
    this.#watch();
    // An idle heartbeat.
    if (message.headers?.code === 100) return;
    const place = placeOf(message.reply ?? "");
    if (!place || place.inStream <= this.#inStream) return;
    if (place.fromConsumer !== ++this.#fromConsumer) {
      void this.resume();
      return;
    }
    this.#inStream = place.inStream;
    this.#count++;
    this.#options.onMessage({ subject: message.subject, data: message.data, at: place.at });
    if (place.pending === 0) this.#read();
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    this.#options.onRead(this.#count);
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => void this.resume(), HEARTBEAT_TIMEOUT);
  }
}

/**
 * Reads a message's reply subject: `$JS.ACK.<stream>.<consumer>.<deliveries>.<in stream>.<from consumer>.<time>.<pending>`,
 * with a domain and an account before the stream on newer servers.
 */
function placeOf(reply: string): Place | undefined {
  const tokens = reply.split(".");
  if (tokens[1] !== "ACK") return undefined;
  const [inStream, fromConsumer, time, pending] = tokens.slice(tokens.length > 9 ? 7 : 5).map(Number);
  if (!inStream || !fromConsumer || !time) return undefined;
  return { inStream, fromConsumer, at: new Date(time / NANOSECONDS), pending };
}
