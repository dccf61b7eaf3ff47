import type { NatsConnection } from "@nats-io/nats-core";

export interface Tasks {
  /** The subject of requests; the response must have the request's data. */
  readonly requests: string;
  /** The subject on which `page number` is published. */
  readonly publishes: string;
  /** Milliseconds that a request may take. */
  readonly timeout: number;
}

/** What a page does all the time: numbered requests, flushes and publishes. */
export class Busy {
  readonly done = { requests: 0, flushes: 0, publishes: 0 };
  /** The errors, with the operation that failed. */
  readonly errors: string[] = [];
  readonly #nc: NatsConnection;
  readonly #tasks: Tasks;
  readonly #pending = new Set<Promise<void>>();
  readonly #timers: ReturnType<typeof setInterval>[];

  constructor(nc: NatsConnection, tasks: Tasks) {
    this.#nc = nc;
    this.#tasks = tasks;
    this.#timers = [
      setInterval(() => this.#publish(), 4),
      setInterval(() => this.#track("request", this.#request()), 10),
      setInterval(() => this.#track("flush", this.#flush()), 20),
    ];
  }

  /** Stops, and waits for everything that is under way. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#pending);
    await this.#nc.flush();
  }

  #publish(): void {
    try {
      this.#nc.publish(this.#tasks.publishes, `page ${++this.done.publishes}`);
    } catch (error) {
      this.errors.push(`publish: ${error}`);
    }
  }

  async #request(): Promise<void> {
    const { requests, timeout } = this.#tasks;
    const data = `${++this.done.requests}`;
    const response = await this.#nc.request(requests, data, { timeout });
    if (response.string() !== data) throw new Error(`the response to ${data} was ${response.string()}`);
  }

  async #flush(): Promise<void> {
    this.done.flushes++;
    await this.#nc.flush();
  }

  #track(operation: string, work: Promise<void>): void {
    const tracked = work
      .catch((error) => void this.errors.push(`${operation}: ${error}`))
      .finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }
}
