import type { Denial } from "./events.ts";
import { encode, type Frame, fingerprint, isMessage, json, words } from "./frames.ts";
import { type Entry, isRepeat, makeLedger } from "./ledger.ts";
import { readDenial } from "./server-errors.ts";

/**
 * Stands between one NATS client and its connection to a server, and can put another connection in the place of that
 * one without the client noticing: no message lost, repeated or out of its publisher's order, in either direction.
 *
 * No sockets and no timers: frames go in by `fromClient` and `fromServer`, what is to be done comes out by the port.
 * docs/renewal.md says why it is right.
 */
export interface Relay<L extends Link> {
  /** The present connection. */
  readonly link: L;
  /** Frames that the client sends. */
  fromClient(frames: readonly Frame[]): void;
  /** Frames that came in on a connection. */
  fromServer(link: L, frames: readonly Frame[]): void;
  /** Resolves when the server has worked through all that was sent so far, and all its answers are here. */
  ping(): Promise<void>;
  /**
   * Puts `next`, a connection that has not brought anything yet, in the place of the present one. Resolves when the old
   * one is forgotten. One swap at a time, and none before the port is `ready`.
   * @throws the reason given to `abandon`; `Error` with the server's words if that refuses
   */
  swap(next: L): Promise<void>;
  /**
   * Gives up a swap. The client goes on with the connection that it has.
   * @returns false if it can't: it has left the old one, and the new one is not in place
   */
  abandon(reason: Error): boolean;
  /** The client leaves: what it has sent goes out, to where it is still in order. */
  leave(): void;
}

/** A connection to a server. */
export interface Link {
  send(bytes: Uint8Array): void;
  /** Sends CONNECT with a credential; `info` is what the server said of itself. Resolves when it has gone out. */
  logIn(options: ConnectOptions, info: ServerInfo): Promise<void>;
  close(): void;
}

/** The rest of the world. */
export interface Port {
  toClient(bytes: Uint8Array): void;
  /** The client is logged in. */
  ready(): void;
  /** Resolves after longer than the servers take to hand one message to all who wait for it. */
  settle(isSameServer: boolean): Promise<void>;
  /** The server refused a subject. */
  denied(denial: Denial): void;
}

/** What a server says in INFO. */
export interface ServerInfo {
  readonly server_id?: string;
  readonly nonce?: string;
}

/** What a client says in CONNECT. */
export type ConnectOptions = Readonly<Record<string, unknown>>;

/** How far a swap has come. */
const NONE = 0;
/** The new connection logs in. */
const JOINING = 1;
/** Both are subscribed, and the client has the old one. */
const OVERLAPPING = 2;
/** The old one unsubscribes; what it brings goes on to the client until the mark, */
const CUTTING = 3;
/** and from there on the new one's is taken: in the midst of unsubscribing, the old one has only a part. */
const DEAF = 4;
/** The client has the new one, on which repeats may still come. */
const TRAILING = 5;

export function makeRelay<L extends Link>(first: L, port: Port): Relay<L> {
  /** The client's SUBs by their sids. */
  const subscriptions = new Map<string, string>();
  /** Who waits for the PONGs of a connection, in the order of the PINGs; on a new one, first for its INFO. */
  const pongs = new WeakMap<L, ((frame?: Frame) => void)[]>([[first, []]]);
  let link = first;
  let info: ServerInfo;
  let options: ConnectOptions;
  let stage = NONE;
  let next: L;
  let ledger = makeLedger();
  /** What the next connection brought that is not decided yet, in its order. */
  let waiting: [frame: Frame, entry?: Entry][] = [];
  /** The sids of queue groups, also of those that end meanwhile. */
  let queues = new Set<string | undefined>();
  let fail: (reason: Error) => void = () => {};
  /** What the client sends waits here while it may not go out. */
  let held: Frame[] | undefined = [];

  const send = (to: L, line: string) => to.send(encode(`${line}\r\n`));

  /** Sends PING; `at` is called at the very place where the PONG comes in the stream. */
  const pong = (of: L, at?: () => void) => {
    send(of, "PING");
    return new Promise<void>((resolve) => {
      pongs.get(of)?.push(() => {
        at?.();
        resolve();
      });
    });
  };

  const begin = (newStage: number) => {
    stage = newStage;
    ledger = makeLedger();
    waiting = [];
    queues = new Set();
  };

  const letGo = () => {
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
      else if (verb === "PING") void ping();
      // The server's PINGs are answered here.
      else if (verb !== "PONG") link.send(frame.bytes);
    }
  }

  /** Passes on the client's PING. What a queue group's new member was handed must be here before the PONG, too. */
  async function ping() {
    await Promise.all([pong(link), stage === OVERLAPPING && pong(next)]);
    port.toClient(encode("PONG\r\n"));
  }

  async function logIn(connect: Frame) {
    // +OK after every command would tell the client of commands that it never gave.
    options = { ...json(connect), verbose: false };
    await link.logIn(options, info);
    letGo();
    await pong(link);
    port.ready();
  }

  function subscribe(frame: Frame) {
    if (stage === OVERLAPPING) {
      // It would start at one moment on the old connection and at another on the new one: it waits for the new one.
      held = [frame];
      return;
    }
    subscriptions.set(words(frame.line).pop() ?? "", frame.line);
    send(link, frame.line);
  }

  function unsubscribe({ line }: Frame) {
    const [, sid = "", max] = words(line);
    // With a maximum, the server ends it in time on the connections that there are. On later ones the client does, which
    // counts for itself: as it is when a client connects again.
    if (!max) subscriptions.delete(sid);
    send(link, line);
    if (stage === OVERLAPPING) send(next, line);
  }

  /** A message that every connection gets that has subscribed; in a queue group only one does. */
  const isForAll = (frame: Frame) => isMessage(frame) && !queues.has(words(frame.line)[2]);

  function receive(frame: Frame) {
    if (frame.verb === "INFO") info = json(frame);
    if (stage > JOINING && isForAll(frame)) {
      if (stage === DEAF) return;
      const entry = ledger.count(stage < TRAILING ? "old" : "new", fingerprint(frame.bytes));
      if (stage === TRAILING && isRepeat(entry)) return;
    }
    deliver(frame);
  }

  function receiveFromNext(from: L, frame: Frame) {
    if (isForAll(frame)) waiting.push([frame, ledger.count("new", fingerprint(frame.bytes))]);
    else if (isMessage(frame)) deliver(frame);
    else {
      waiting.push([frame]);
      if (stage > JOINING) return;
      if (frame.verb === "INFO") pongs.get(from)?.shift()?.(frame);
      else abandon(new Error(frame.line));
    }
  }

  function deliver(frame: Frame) {
    port.toClient(frame.bytes);
    const denial = readDenial(frame.line);
    if (denial) noteDenial(denial);
  }

  function noteDenial(denial: Denial) {
    const { operation, subject, queue } = denial;
    for (const [sid, sub] of subscriptions) {
      // The client drops it as well.
      if (operation === "subscription" && sub === `SUB ${subject} ${queue ? `${queue} ` : ""}${sid}`)
        subscriptions.delete(sid);
    }
    port.denied(denial);
  }

  return {
    get link() {
      return link;
    },

    fromClient,

    fromServer(from, frames) {
      for (const frame of frames) {
        if (frame.verb === "PING") send(from, "PONG");
        else if (frame.verb === "PONG") pongs.get(from)?.shift()?.(frame);
        else if (from === link) receive(frame);
        else if (from === next) receiveFromNext(from, frame);
      }
    },

    ping: () => pong(link),

    async swap(fresh) {
      const old = link;
      const failed = new Promise<never>((_, reject) => {
        fail = reject;
      });
      const done = <T>(step: Promise<T>) => Promise.race([step, failed]);
      begin(JOINING);
      next = fresh;
      // A PONG that comes after this swap was given up is not for the next one's ledger.
      const own = ledger;
      /** Has both servers mark one moment in what they send. */
      const mark = () => {
        const markOld = () => {
          own.mark("old");
          if (stage === CUTTING) stage = DEAF;
        };
        return Promise.all([pong(old, markOld), pong(fresh, () => own.mark("new"))]);
      };

      const greeting = new Promise<Frame | undefined>((resolve) => {
        pongs.set(fresh, [resolve]);
      });
      const freshInfo: ServerInfo = json((await done(greeting)) as Frame);
      await done(fresh.logIn(options, freshInfo));
      await done(pong(fresh));
      const isSameServer = info.server_id === freshInfo.server_id;
      const settled = () => done(port.settle(isSameServer));

      // The old connection is subscribed to all that the new one will be, and has brought its refusals.
      stage = OVERLAPPING;
      // A client that wants no echo must not hear over the new connection what it still publishes over the old one.
      if (options.echo === false) held ??= [];
      await done(pong(old));
      // What it has brought may still be on its way to the new one's server.
      if (!isSameServer) await settled();

      // Both subscribe. What the old connection brings goes on to the client and is counted; what the new one brings waits.
      for (const [sid, line] of subscriptions) {
        send(fresh, line);
        if (words(line).length > 3) queues.add(sid);
      }
      await done(pong(fresh));
      await done(mark());
      await settled();

      // The cut. All that was published over the old connection is worked through before anything goes over the new one.
      stage = CUTTING;
      held ??= [];
      const marked = mark();
      for (const sid of subscriptions.keys()) send(old, `UNSUB ${sid}`);
      await done(Promise.all([marked, pong(old)]));

      // The old connection has brought all that it ever will.
      stage = TRAILING;
      link = fresh;
      old.close();
      for (const [frame, entry] of waiting) if (!entry || !isRepeat(entry)) deliver(frame);
      // What was published over the old connection is on its way to the other servers: what follows must not overtake it.
      if (!isSameServer) await settled();
      letGo();

      // The last repeats may still be on their way: first in the server, then to here.
      await settled();
      await done(pong(fresh));
      info = freshInfo;
      begin(NONE);
    },

    abandon,

    leave() {
      fail(new Error());
      begin(NONE);
      letGo();
    },
  };

  function abandon(reason: Error) {
    if (stage === NONE) return true;
    fail(reason);
    if (stage === CUTTING || stage === DEAF) return false;
    // Who waits for it need not.
    if (stage < CUTTING) for (const answer of pongs.get(next) ?? []) answer();
    begin(NONE);
    letGo();
    return true;
  }
}
