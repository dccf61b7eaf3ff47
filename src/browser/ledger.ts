/**
 * Tells which frames of a new connection are repeats of what the old one already brought, while both are subscribed.
 *
 * The server hands a message to both connections, one after the other, and messages of several publishers in any order:
 * so the two streams can't be compared place by place. They are compared by content: what the old connection brought n
 * times, the new one brings n times too. Except for what was routed before the new subscriptions took effect: the old
 * connection alone has that. For messages that differ from one another it is no matter, nothing equals them. For equal
 * ones it is: their number is found by asking both connections for a PONG at the same moment, since what lies before the
 * one PONG also lies before the other, but for what is being handed out in that very moment. The smallest difference of
 * two such marks is what the new connection never gets.
 */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  #marks = 0;

  /** The old connection brought this. */
  countOld(key: string): void {
    this.#entry(key).old++;
  }

  /**
   * The new connection brought this.
   * @returns a question to be asked when the old connection is done: is it a repeat?
   */
  countNew(key: string): () => boolean {
    const entry = this.#entry(key);
    const place = ++entry.new;
    return () => place <= entry.old - entry.oldOnly;
  }

  /** The old connection's PONG of a mark is here. */
  markOld(): void {
    for (const entry of this.#entries.values()) entry.oldAtMark = entry.old;
  }

  /** The new connection's PONG of a mark is here. */
  markNew(): void {
    for (const entry of this.#entries.values()) entry.newAtMark = entry.new;
  }

  /** Both are: works out what only the old connection has. Entries that are younger than the first mark have none. */
  endMark(): void {
    const first = this.#marks++ === 0;
    for (const entry of this.#entries.values()) {
      const difference = Math.max(0, entry.oldAtMark - entry.newAtMark);
      entry.oldOnly = first ? difference : Math.min(entry.oldOnly, difference);
    }
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = { old: 0, new: 0, oldAtMark: 0, newAtMark: 0, oldOnly: 0 };
      this.#entries.set(key, entry);
    }
    return entry;
  }
}

interface Entry {
  /** How often each connection brought it. */
  old: number;
  new: number;
  /** The same, at the latest mark. */
  oldAtMark: number;
  newAtMark: number;
  /** How many of `old` the new connection never gets. */
  oldOnly: number;
}
