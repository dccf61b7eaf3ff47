import type { Msg, NatsConnection, SubscriptionOptions } from "@nats-io/nats-core";
import { type Client, each } from "./clients.ts";
import { Recorder } from "./recorder.ts";

/** One client's connection, and what it receives. */
export class Connection {
  readonly nc: NatsConnection;
  /** The types of the client's status events. */
  readonly statuses: string[] = [];
  /** How it was closed: the error's name and message, empty without an error; undefined while it is open. */
  closed: string | undefined;
  readonly #client: Client;

  constructor(nc: NatsConnection, client: Client) {
    this.nc = nc;
    this.#client = client;
    void each(nc.status(), ({ type }) => this.statuses.push(type)).catch(() => {});
    void nc.closed().then((error) => {
      this.closed = error ? `${error.name}: ${error.message}` : "";
    });
  }

  /** Subscribes, and records numbered messages. */
  record(subject: string, options: SubscriptionOptions = {}): Recorder {
    const recorder = new Recorder();
    this.nc.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (!error) recorder.take(text(message));
      },
    });
    return recorder;
  }

  ordered = (stream: string) => this.#record((take) => this.#client.ordered(this.nc, stream, take));
  durable = (stream: string, name: string) =>
    this.#record((take) => this.#client.durable(this.nc, stream, name, take));
  watch = (bucket: string) => this.#record((take) => this.#client.watch(this.nc, bucket, take));

  async #record(listen: (take: (text: string) => void) => Promise<void>): Promise<Recorder> {
    const recorder = new Recorder();
    await listen(recorder.take);
    return recorder;
  }
}

const text = (message: Msg): string => new TextDecoder().decode(message.data);
