/** Records numbered messages (`publisher number`), and the longest pause between two of them. */
export class Recorder {
  /** The numbers by publisher, in the order of arrival. */
  readonly received: Record<string, number[]> = {};
  count = 0;
  #last = 0;
  #pause = 0;
  readonly #waiting = new Set<() => void>();

  readonly take = (text: string): void => {
    const now = performance.now();
    if (this.#last > 0) this.#pause = Math.max(this.#pause, now - this.#last);
    this.#last = now;
    this.count++;
    const [publisher = "", number] = text.split(" ", 2);
    this.received[publisher] ??= [];
    this.received[publisher].push(Number(number));
    for (const look of this.#waiting) look();
  };

  /** The longest pause since the last call, in milliseconds, including the one that is not over. */
  pause(): number {
    const pause = Math.max(this.#pause, this.#last > 0 ? performance.now() - this.#last : 0);
    this.#pause = 0;
    return pause;
  }

  /** Resolves when `count` messages have arrived. */
  reach(count: number): Promise<void> {
    return this.#until(() => this.count >= count);
  }

  /** Resolves when the last message of every publisher has arrived. */
  complete(sent: Readonly<Record<string, number>>): Promise<void> {
    return this.#until(() =>
      Object.entries(sent).every(([publisher, last]) => this.received[publisher]?.includes(last)),
    );
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}
