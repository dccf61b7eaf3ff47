/** Proves that no message was missed: counts what came, what should have come and what came twice, for each sender. */

export interface Count {
  received: number;
  missed: number;
  repeated: number;
}

/** Tabs remembered of one sender: nobody can fill the memory with made-up ones. */
const MOST_TABS = 16;

interface Sender {
  readonly count: Count;
  /** The number that comes next from each of the sender's tabs. */
  readonly next: Map<string, number>;
}

export class Tally {
  readonly #senders = new Map<string, Sender>();

  /** Takes a tab's message. Its first one tells where to count from. */
  take(name: string, tab: string, number: number): void {
    const { count, next } = this.#sender(name);
    const expected = next.get(tab) ?? number;
    count.received++;
    if (number < expected) {
      count.repeated++;
      return;
    }
    count.missed += number - expected;
    if (!next.has(tab) && next.size === MOST_TABS) next.delete(next.keys().next().value as string);
    next.set(tab, number + 1);
  }

  of(name: string): Readonly<Count> {
    return this.#sender(name).count;
  }

  get total(): Readonly<Count> {
    const total = { received: 0, missed: 0, repeated: 0 };
    for (const { count } of this.#senders.values()) {
      total.received += count.received;
      total.missed += count.missed;
      total.repeated += count.repeated;
    }
    return total;
  }

  #sender(name: string): Sender {
    let sender = this.#senders.get(name);
    if (!sender) {
      sender = { count: { received: 0, missed: 0, repeated: 0 }, next: new Map() };
      this.#senders.set(name, sender);
    }
    return sender;
  }
}
