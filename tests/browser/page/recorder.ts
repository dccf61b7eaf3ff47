/** What came in: numbered messages (`publisher number`), and the longest pause between two of them. */
export class Recorder {
  readonly heard: Record<string, number[]> = {};
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
    this.heard[publisher] ??= [];
    this.heard[publisher].push(Number(number));
    for (const look of this.#waiting) look();
  };

  /** The longest pause in milliseconds since this was last asked, the present one included. */
  pause(): number {
    const pause = Math.max(this.#pause, this.#last > 0 ? performance.now() - this.#last : 0);
    this.#pause = 0;
    return pause;
  }

  /** Resolves once so many have come. */
  reach(count: number): Promise<void> {
    return this.#until(() => this.count >= count);
  }

  /** Resolves once the last message of every publisher has come. */
  complete(sent: Readonly<Record<string, number>>): Promise<void> {
    return this.#until(() =>
      Object.entries(sent).every(([publisher, last]) => this.heard[publisher]?.includes(last)),
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
