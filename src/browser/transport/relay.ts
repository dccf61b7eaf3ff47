import type { Denial } from "../events.ts";
import { type Link, ping, sendLine } from "./commands.ts";
import { type ConnectOptions, encodeLine, type Frame, readJson, type ServerInfo, words } from "./frames.ts";
import { runSequence } from "./sequence.ts";
import { readDenial } from "./server-errors.ts";
import { makeSwap, type Swap } from "./swap.ts";

/** Where a relay's results go. */
export interface RelayOutput {
  /** Frames for the client. */
  toClient(bytes: Uint8Array): void;
  /** The client is logged in. */
  ready(): void;
  /** Resolves after more time than the servers need to deliver one message to all its subscribers. */
  settle(isSameServer: boolean): Promise<void>;
  /** The server denied a subject. */
  denied(denial: Denial): void;
}

/**
 * Stands between one NATS client and its connection to a server, and can replace that connection by another one without
 * the client noticing: no message is lost, repeated or out of its publisher's order, in either direction.
 *
 * It has no sockets and no timers: frames go in by `fromClient` and `fromServer`, results come out by `RelayOutput`.
 * docs/renewal.md explains why it is correct.
 */
export interface Relay<L extends Link> {
  /** The connection that the client has. */
  readonly link: L;
  /** Takes frames that the client sends. */
  fromClient(frames: readonly Frame[]): void;
  /** Takes frames that arrived on a connection. */
  fromServer(link: L, frames: readonly Frame[]): void;
  /** Resolves when the server has processed all that was sent so far, and its responses have arrived. */
  ping(): Promise<void>;
  /**
   * Replaces the connection by `next`, which has not brought anything yet. Resolves when the old one is no longer needed.
   * To be called after `ready`, and not during another swap.
   * @throws the reason given to `abandon`; `Error` with the server's line if the server refuses the login
   */
  swap(next: L): Promise<void>;
  /**
   * Gives up a swap. The client goes on with the connection that it has.
   * @returns false if it cannot: it has left the old connection, and the next one is not in place
   */
  abandon(reason: Error): boolean;
  /** The client closes: what it has sent goes out on the connection on which it is still in order. */
  leave(): void;
}

export function makeRelay<L extends Link>(first: L, output: RelayOutput): Relay<L> {
  /** The client's SUB lines by their sids. */
  const subscriptions = new Map<string, string>();
  let link = first;
  let info: ServerInfo;
  let options: ConnectOptions;
  let swap: Swap | undefined;
  /** The connection that is to replace `link`. */
  let next: L;
  let fail: (reason: Error) => void = () => {};
  let greet: (info: ServerInfo) => void;
  /** What the client sends waits here as long as it must not be sent: before the login, and in the middle of a swap. */
  let held: Frame[] | undefined = [];

  const isOverlapping = () => swap?.stage === "overlapping";

  const hold = () => {
    held ??= [];
  };
  const sendHeld = () => {
    const frames = held ?? [];
    held = undefined;
    fromClient(frames);
  };

  function fromClient(frames: readonly Frame[]) {
    for (const frame of frames) {
      const { verb } = frame;
      if (verb === "CONNECT") void logIn(frame);
      else if (held) held.push(frame);
      else if (verb === "SUB") subscribe(frame);
      else if (verb === "UNSUB") unsubscribe(frame);
      else if (verb === "PING") void passPing();
      // The relay itself responds to PINGs of servers.
      else if (verb !== "PONG") link.send(frame.bytes);
    }
  }

  async function logIn(connect: Frame) {
    // With `verbose`, the client would get a +OK also for each command of the relay.
    options = { ...readJson(connect), verbose: false };
    await link.logIn(options, info);
    sendHeld();
    await ping(link);
    output.ready();
  }

  /** While both connections are subscribed: messages of queue groups may be on either, so the PONG waits for both. */
  async function passPing() {
    await Promise.all([ping(link), isOverlapping() && ping(next)]);
    output.toClient(encodeLine("PONG"));
  }

  function subscribe(frame: Frame) {
    if (isOverlapping()) {
      // It would take effect on the two connections at two moments. So it waits until there is one connection.
      held = [frame];
      return;
    }
    subscriptions.set(words(frame.line).pop() as string, frame.line);
    sendLine(link, frame.line);
  }

  function unsubscribe({ line }: Frame) {
    const [, sid, max] = words(line) as [string, string, string?];
    // With a maximum, the servers of the current connections end it. On later connections the client ends it by its own
    // count, as it does after a reconnect.
    if (!max) subscriptions.delete(sid);
    sendLine(link, line);
    if (isOverlapping()) sendLine(next, line);
  }

  function receive(frame: Frame) {
    if (frame.verb === "INFO") info = readJson(frame);
    (swap?.receive ?? deliver)(frame);
  }

  function receiveNext(frame: Frame, { stage, receiveNext }: Swap) {
    receiveNext(frame);
    if (stage !== "joining") return;
    if (frame.verb === "INFO") greet(readJson(frame));
    else abandon(new Error(frame.line));
  }

  function deliver(frame: Frame) {
    output.toClient(frame.bytes);
    const denial = readDenial(frame.line);
    if (!denial) return;
    removeDenied(subscriptions, denial);
    output.denied(denial);
  }

  function endSwap() {
    swap = undefined;
    sendHeld();
  }

  function abandon(reason: Error) {
    if (!swap) return true;
    fail(reason);
    const { stage } = swap;
    if (stage === "cutting" || stage === "deaf") return false;
    // A PING of the client may wait for both connections; it has to wait for one only.
    if (stage !== "trailing") for (const onPong of next.pongs) onPong();
    endSwap();
    return true;
  }

  return {
    get link() {
      return link;
    },
    fromClient,
    fromServer(from, frames) {
      for (const frame of frames) {
        const { verb } = frame;
        if (verb === "PING") sendLine(from, "PONG");
        else if (verb === "PONG") from.pongs.shift()?.();
        else if (from === link) receive(frame);
        else if (swap && from === next) receiveNext(frame, swap);
      }
    },
    ping: () => ping(link),
    abandon,
    leave() {
      fail(new Error());
      endSwap();
    },
    async swap(fresh) {
      const own = makeSwap(deliver);
      swap = own;
      next = fresh;
      const failure = new Promise<never>((_, reject) => {
        fail = reject;
      });
      const nextInfo = new Promise<ServerInfo>((resolve) => {
        greet = resolve;
      });
      info = await runSequence({
        old: link,
        next,
        swap,
        subscriptions,
        options,
        info,
        nextInfo,
        // Rejects also if the swap has failed in the same moment after the step.
        attempt: (step) => Promise.race([step, failure]).then((result) => (swap === own ? result : failure)),
        settle: output.settle,
        hold,
        release: sendHeld,
        switchLink() {
          link = fresh;
        },
      });
      endSwap();
    },
  };
}

/** Removes the subscription that the server has denied. The client drops it as well. */
function removeDenied(subscriptions: Map<string, string>, { operation, subject, queue }: Denial) {
  for (const [sid, line] of subscriptions) {
    if (operation === "subscription" && line === `SUB ${subject} ${queue ? `${queue} ` : ""}${sid}`)
      subscriptions.delete(sid);
  }
}
