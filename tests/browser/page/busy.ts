import type { NatsConnection } from "@nats-io/nats-core";

export interface Tasks {
  /** Whom to ask: wants the request's own data as the answer. */
  readonly requests: string;
  /** Where to publish `page number`. */
  readonly publishes: string;
  /** Milliseconds that a request may take. */
  readonly patience: number;
}

/** What a page does all the time: requests, flushes and publishes, each numbered. */
export class Busy {
  readonly done = { requests: 0, flushes: 0, publishes: 0 };
  readonly refused: string[] = [];
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

  /** Stops, and waits for all that is under way. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#pending);
    await this.#nc.flush();
  }

  #publish(): void {
    try {
      this.#nc.publish(this.#tasks.publishes, `page ${++this.done.publishes}`);
    } catch (error) {
      this.refused.push(`publish: ${error}`);
    }
  }

  async #request(): Promise<void> {
    const { requests, patience } = this.#tasks;
    const question = `${++this.done.requests}`;
    const answer = await this.#nc.request(requests, question, { timeout: patience });
    if (answer.string() !== question) throw new Error(`${question} was answered with ${answer.string()}`);
  }

  async #flush(): Promise<void> {
    this.done.flushes++;
    await this.#nc.flush();
  }

  #track(what: string, work: Promise<void>): void {
    const tracked = work
      .catch((error) => void this.refused.push(`${what}: ${error}`))
      .finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }
}
