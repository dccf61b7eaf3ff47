/**
 * Tells which frames of the next connection are repeats of what the old one has already brought, while both are
 * subscribed.
 *
 * The server delivers a message to the two connections one after the other, and messages of several publishers in any
 * order. So the two streams cannot be compared place by place. They are compared by content: what the old connection
 * brought n times, the next one brings n times too, except for messages that were routed before its subscriptions took
 * effect; only the old connection has those.
 *
 * The exception matters only for messages that are equal to the last byte. The number of such messages is measured: both
 * connections are asked for a PONG at the same moment. What was delivered before one PONG was also delivered before the
 * other, except for what is being delivered at that very moment. Two such marks are made, and the smaller difference
 * counts: so many of the old connection's messages the next one never gets.
 */
export interface Ledger {
  /** A connection brought this frame. */
  count(side: Side, frame: string): Entry;
  /** A connection's PONG of a mark has arrived. A mark is complete with the PONGs of both. */
  mark(side: Side): void;
}

export type Side = "old" | "next";

/** The counts of one content. */
export interface Entry {
  /** How often each connection brought it; `matchOld` takes what it has matched away from `old`. */
  old: number;
  next: number;
  /** How many more the old connection had brought at the mark that is being made. */
  lead: number;
  /** How many of `old` the next connection never gets. */
  oldOnly: number;
}

/**
 * Matches a frame that the next connection brought with an equal one of the old connection, which is then used up. False
 * if there is none left: the frame is no repeat. To be called once for each frame, in their order, after the old
 * connection has brought all that it will.
 */
export const matchOld = (entry: Entry): boolean => entry.old-- > entry.oldOnly;

export function makeLedger(): Ledger {
  const entries = new Map<string, Entry>();
  /** The `oldOnly` of new entries. A content that first appears after the first mark comes on both connections. */
  let oldOnly = Infinity;
  let isHalfMarked = false;
  return {
    count(side, frame) {
      const entry = entries.get(frame) ?? { old: 0, next: 0, lead: 0, oldOnly };
      entries.set(frame, entry);
      entry[side]++;
      return entry;
    },
    mark(side) {
      for (const entry of entries.values()) entry.lead += side === "old" ? entry.old : -entry.next;
      isHalfMarked = !isHalfMarked;
      if (isHalfMarked) return;
      for (const entry of entries.values()) {
        entry.oldOnly = Math.max(0, Math.min(entry.oldOnly, entry.lead));
        entry.lead = 0;
      }
      oldOnly = 0;
    },
  };
}
