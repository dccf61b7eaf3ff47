/** A clock that tests advance: timers run in their order, and time passes only between them. */
export class TestClock {
  /** Milliseconds since the epoch. */
  now = 1_800_000_000_000;
  readonly #start = this.now;
  #timers: Timer[] = [];
  #lastId = 0;
  /** Work of other threads that has not ended. */
  #pending = 0;

  /** Replaces the clocks and timers of this process. Disposing of the result brings them back. */
  install(): Disposable {
    const { setTimeout, clearTimeout, setInterval, clearInterval, performance } = globalThis;
    const { now } = Date;
    const { generateKey, exportKey, sign } = crypto.subtle;
    Date.now = () => this.now;
    const clear = (id: unknown) => {
      this.#timers = this.#timers.filter((timer) => timer.id !== id);
    };
    Object.assign(globalThis, {
      performance: { now: () => this.now - this.#start },
      setTimeout: (run: () => void, delay = 0) => this.#add({ run, delay, isRepeated: false }),
      setInterval: (run: () => void, delay = 0) => this.#add({ run, delay, isRepeated: true }),
      clearTimeout: clear,
      clearInterval: clear,
    });
    for (const [name, method] of Object.entries({ generateKey, exportKey, sign })) {
      const tracked = (...parameters: unknown[]) =>
        this.#track(Reflect.apply(method, crypto.subtle, parameters));
      Object.defineProperty(crypto.subtle, name, { value: tracked, configurable: true });
    }
    return {
      [Symbol.dispose]() {
        Date.now = now;
        Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval, performance });
        for (const [name, value] of Object.entries({ generateKey, exportKey, sign })) {
          Object.defineProperty(crypto.subtle, name, { value, configurable: true });
        }
      },
    };
  }

  /** Resolves after so many milliseconds of this clock. */
  wait(delay: number): Promise<void> {
    return new Promise((resolve) => void this.#add({ run: resolve, delay, isRepeated: false }));
  }

  /** Lets so many milliseconds pass. */
  async advance(by: number): Promise<void> {
    const end = this.now + by;
    for (;;) {
      await this.#untilIdle();
      const timer = this.#timers.reduce<Timer | undefined>(
        (first, timer) => (first && first.at <= timer.at ? first : timer),
        undefined,
      );
      if (!timer || timer.at > end) break;
      this.now = Math.max(this.now, timer.at);
      if (timer.isRepeated) timer.at += timer.delay;
      else this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.run();
    }
    this.now = end;
  }

  #add(timer: Omit<Timer, "id" | "at">): number {
    const id = ++this.#lastId;
    this.#timers.push({ ...timer, id, at: this.now + timer.delay });
    return id;
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await work;
    } finally {
      this.#pending--;
    }
  }

  /** All promises that need no timer have settled. */
  async #untilIdle(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending > 0);
  }
}

interface Timer {
  readonly id: number;
  readonly run: () => void;
  readonly delay: number;
  readonly isRepeated: boolean;
  at: number;
}
