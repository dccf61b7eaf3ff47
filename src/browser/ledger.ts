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
export interface Ledger {
  /** A connection brought this. */
  count(side: Side, frame: string): Entry;
  /** A connection's PONG of a mark is here. A mark has two. */
  mark(side: Side): void;
}

type Side = "old" | "new";

/** One content. */
export interface Entry {
  /** How often each connection brought it. */
  old: number;
  new: number;
  /** How many more the old one had brought at the mark that is being made. */
  lead: number;
  /** How many of `old` the new connection never gets. */
  oldOnly: number;
  /** How many of `new` have been decided. */
  decided: number;
}

/** Decides on the next of those that the new connection brought; not before the old one is done. */
export const isRepeat = (entry: Entry): boolean => ++entry.decided <= entry.old - entry.oldOnly;

export function makeLedger(): Ledger {
  const entries = new Map<string, Entry>();
  // What is new after the first mark comes on both.
  let oldOnly = Infinity;
  let isHalfWay = false;
  return {
    count(side, frame) {
      const entry = entries.get(frame) ?? { old: 0, new: 0, lead: 0, oldOnly, decided: 0 };
      entries.set(frame, entry);
      entry[side]++;
      return entry;
    },
    mark(side) {
      for (const entry of entries.values()) entry.lead += side === "old" ? entry.old : -entry.new;
      isHalfWay = !isHalfWay;
      if (isHalfWay) return;
      for (const entry of entries.values()) {
        entry.oldOnly = Math.max(0, Math.min(entry.oldOnly, entry.lead));
        entry.lead = 0;
      }
      oldOnly = 0;
    },
  };
}
