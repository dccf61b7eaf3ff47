/** Counts the messages that were received, missed and repeated, for each sender. */

export interface Count {
  received: number;
  missed: number;
  repeated: number;
}

/** The number of tabs that are remembered of one sender, so that invented tabs cannot fill the memory. */
const MAX_TABS = 16;

interface Sender {
  readonly count: Count;
  /** The next number of each of the sender's tabs. */
  readonly next: Map<string, number>;
}

export class Tally {
  readonly #senders = new Map<string, Sender>();

  /** Counts a message of a tab. The count of a tab starts with its first message. */
  take(name: string, tab: string, number: number): void {
    const { count, next } = this.#sender(name);
    const expected = next.get(tab) ?? number;
    count.received++;
    if (number < expected) {
      count.repeated++;
      return;
    }
    count.missed += number - expected;
    if (!next.has(tab) && next.size === MAX_TABS) next.delete(next.keys().next().value as string);
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
