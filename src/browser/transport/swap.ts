import { binaryText, type Frame, isMessage, words } from "./frames.ts";
import { type Entry, makeLedger, matchOld, type Side } from "./ledger.ts";

/** How far a swap has come. docs/renewal.md shows it as a diagram. */
export type Stage =
  /** The next connection logs in. */
  | "joining"
  /** Both connections are subscribed. The client has the old one. */
  | "overlapping"
  /** The old connection unsubscribes. Until the mark, what it brings goes to the client. */
  | "cutting"
  /**
   * After the mark the old connection has only a part of its subscriptions: messages are taken from the next one, which
   * has all.
   */
  | "deaf"
  /** The client has the next connection, which may still bring repeats. */
  | "trailing";

/** What is known during one swap: its stage, and which messages of the next connection are repeats. */
export interface Swap {
  stage: Stage;
  /** The sids of subscriptions in queue groups, also of those that have ended since. */
  readonly queueSids: Set<string | undefined>;
  /** The PONG of a mark has arrived on a connection. */
  mark(side: Side): void;
  /** Takes a frame of the connection that the client has. */
  receive(frame: Frame): void;
  /** Takes a frame of the next connection. */
  receiveNext(frame: Frame): void;
  /** Delivers what the next connection brought before the cut, without the repeats. Called once, when the old one is done. */
  flush(): void;
}

/** @param deliver  takes what the client gets, in its order */
export function makeSwap(deliver: (frame: Frame) => void): Swap {
  const ledger = makeLedger();
  /** What the next connection brought and the client does not have yet, in its order; messages with their entry. */
  const waiting: [frame: Frame, entry: Entry | undefined][] = [];
  const queueSids = new Set<string | undefined>();
  /** A message that every subscribed connection gets; of a queue group, only one member does. */
  const isForAll = (frame: Frame) => isMessage(frame) && !queueSids.has(words(frame.line)[2]);
  const count = (side: Side, frame: Frame) => ledger.count(side, binaryText(frame.bytes));

  const swap: Swap = {
    stage: "joining",
    queueSids,
    mark(side) {
      ledger.mark(side);
      if (swap.stage === "cutting" && side === "old") swap.stage = "deaf";
    },
    receive(frame) {
      const { stage } = swap;
      if (stage === "joining" || !isForAll(frame)) deliver(frame);
      else if (stage === "trailing") matchOld(count("next", frame)) || deliver(frame);
      else if (stage !== "deaf") {
        count("old", frame);
        deliver(frame);
      }
    },
    receiveNext(frame) {
      // A message of a queue group that only the next connection got: the client need not wait for it.
      if (isMessage(frame) && !isForAll(frame)) deliver(frame);
      else waiting.push([frame, isMessage(frame) ? count("next", frame) : undefined]);
    },
    flush() {
      for (const [frame, entry] of waiting) (entry && matchOld(entry)) || deliver(frame);
    },
  };
  return swap;
}
