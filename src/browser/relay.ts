import { concat, encode, type Frame, fingerprint, sidOf, words } from "./frames.ts";
import { Ledger } from "./ledger.ts";

/**
 * Stands between one NATS client and its connection to a server, and can put another connection in the place of that
 * one without the client noticing: no message lost, repeated or out of its publisher's order, in either direction.
 *
 * No sockets and no timers: frames go in by `fromClient` and `fromServer`, what is to be done comes out by the port.
 * docs/renewal.md says why it is right.
 */

/** How the relay acts on the world. `Link` is whatever its owner takes for a connection. */
export interface Port<Link> {
  toClient(bytes: Uint8Array): void;
  toServer(link: Link, bytes: Uint8Array): void;
  /** The client's CONNECT, which must not go out without a credential. Once it has, call `open`. */
  connect(options: ConnectOptions): void;
  /** Resolves after longer than the server takes to hand one message to all who wait for it. */
  settle(): Promise<void>;
  /** The new connection is in place: this one is not needed any more. */
  release(link: Link): void;
  /** The server refused a subject. */
  denied(denial: Denial): void;
}

/** What a client says in CONNECT. */
export type ConnectOptions = Readonly<Record<string, unknown>>;

export interface Denial {
  readonly operation: "publish" | "subscription";
  readonly subject: string;
  readonly queue?: string;
}

/** A subscription of the client. How many messages it got tells when one with a maximum ends. */
interface Subscription {
  readonly subject: string;
  readonly queue: string | undefined;
  /** The client's SUB. */
  readonly line: string;
  max: number;
  /** Over connections that are gone, over the present one, and over the next one. */
  before: number;
  here: number;
  there: number;
}

interface Swap<Link> {
  readonly next: Link;
  readonly ledger: Ledger;
  /** What the new connection brought that is not decided yet, in its order. */
  readonly waiting: { readonly frame: Frame; readonly isRepeat: () => boolean }[];
  readonly abandoned: Promise<never>;
  readonly abandon: (reason: Error) => void;
  /** `joining` until the new connection is asked to subscribe; from `cutting` there is no way back. */
  stage: "joining" | "overlapping" | "cutting" | "trailing";
}

const PING = encode("PING\r\n");
const PONG = encode("PONG\r\n");
const DENIED =
  /^-ERR '?Permissions Violation for (Publish|Subscription) to "([^"]*)"(?: using queue "([^"]*)")?/i;

const isMessage = ({ verb }: Frame) => verb === "MSG" || verb === "HMSG";

export class Relay<Link> {
  readonly #port: Port<Link>;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Who waits for the PONGs of a connection, in the order of the PINGs. */
  readonly #pongs = new Map<Link, (() => void)[]>();
  #link: Link;
  #swap: Swap<Link> | undefined;
  /** What the client sends waits here while it may not go out. */
  #held: Frame[] | undefined = [];
  #toClient: Uint8Array[] = [];
  #echo = true;

  /** `link` is connected but not logged in. */
  constructor(link: Link, port: Port<Link>) {
    this.#link = link;
    this.#port = port;
    this.#pongs.set(link, []);
  }

  /** The client's CONNECT has gone out with a credential: the rest may follow. */
  open(): void {
    this.#letGo();
  }

  fromClient(frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (frame.verb === "CONNECT") this.#connect(frame);
      else if (this.#held) this.#held.push(frame);
      else this.#send(frame);
    }
  }

  fromServer(link: Link, frames: readonly Frame[]): void {
    for (const frame of frames) {
      if (frame.verb === "PING") this.#port.toServer(link, PONG);
      else if (frame.verb === "PONG") this.#pongs.get(link)?.shift()?.();
      else if (link === this.#link) this.#receive(frame);
      else if (link === this.#swap?.next) this.#receiveFromNext(this.#swap, frame);
    }
    this.#flush();
  }

  /** Resolves when the server has worked through all that was sent so far, and all its answers are here. */
  ping(): Promise<void> {
    return this.#pong(this.#link);
  }

  /** There is a swap, and no way back to the old connection. */
  get isCutting(): boolean {
    return this.#swap?.stage === "cutting";
  }

  /**
   * Puts `next`, which is logged in, in the place of the present connection. `info` is what its server said of itself.
   * Resolves when the old connection is forgotten. One swap at a time.
   * @throws the reason given to `abandon`
   */
  async swap(next: Link, info: Frame): Promise<void> {
    let abandon: Swap<Link>["abandon"] = () => {};
    const abandoned = new Promise<never>((_, reject) => {
      abandon = reject;
    });
    const swap: Swap<Link> = {
      next,
      ledger: new Ledger(),
      waiting: [],
      abandoned,
      abandon,
      stage: "joining",
    };
    const unlessAbandoned = <T>(step: Promise<T>) => Promise.race([step, abandoned]);
    const old = this.#link;
    this.#swap = swap;
    this.#pongs.set(next, []);

    // A client that wants no echo must not hear over the new connection what it still publishes over the old one.
    if (!this.#echo) {
      this.#hold();
      await unlessAbandoned(this.#pong(old));
    }

    // Both subscribe. What the old connection brings goes on to the client and is counted; what the new one brings waits.
    swap.stage = "overlapping";
    for (const [sid, subscription] of this.#subscriptions) this.#subscribe(next, sid, subscription);
    await unlessAbandoned(this.#pong(next));
    await unlessAbandoned(this.#mark(swap));
    await unlessAbandoned(this.#port.settle());

    // The cut. All that was published over the old connection is worked through before anything goes over the new one.
    swap.stage = "cutting";
    this.#hold();
    const marked = this.#mark(swap);
    for (const sid of this.#subscriptions.keys()) this.#port.toServer(old, encode(`UNSUB ${sid}\r\n`));
    await unlessAbandoned(Promise.all([marked, this.#pong(old)]));

    // The old connection has brought all that it ever will.
    swap.stage = "trailing";
    this.#link = next;
    this.#pongs.delete(old);
    this.#port.release(old);
    this.#toClient.push(info.bytes);
    for (const subscription of this.#subscriptions.values()) moveOn(subscription);
    for (const { frame, isRepeat } of swap.waiting) if (!isRepeat()) this.#deliver(frame);
    this.#flush();
    this.#letGo();

    // The last repeats may still be on their way.
    await unlessAbandoned(this.#pong(next));
    await unlessAbandoned(this.#port.settle());
    this.#swap = undefined;
  }

  /** Gives up a swap. Before the cut the client goes on with the old connection; after it, this relay is of no more use. */
  abandon(reason: Error): void {
    const swap = this.#swap;
    if (!swap) return;
    this.#swap = undefined;
    swap.abandon(reason);
    if (swap.stage === "cutting") return;
    if (swap.stage !== "trailing") this.#pongs.delete(swap.next);
    this.#letGo();
  }

  /** The client leaves: what it has sent goes out, to where it is still in order. */
  leave(): void {
    this.#swap = undefined;
    this.#letGo();
  }

  #connect(frame: Frame): void {
    const options = JSON.parse(frame.line.slice("CONNECT ".length)) as ConnectOptions;
    this.#echo = options.echo !== false;
    // +OK after every command would tell the client of commands that it never gave.
    this.#port.connect({ ...options, verbose: false });
  }

  #hold(): void {
    this.#held ??= [];
  }

  #letGo(): void {
    const frames = this.#held ?? [];
    this.#held = undefined;
    this.fromClient(frames);
  }

  /** One frame of the client goes out. */
  #send(frame: Frame): void {
    if (frame.verb === "SUB") this.#sendSub(frame);
    else if (frame.verb === "UNSUB") this.#sendUnsub(frame);
    else if (frame.verb === "PING") void this.#pong(this.#link, () => this.#toClient.push(PONG));
    // The server's PINGs are answered here.
    else if (frame.verb !== "PONG") this.#port.toServer(this.#link, frame.bytes);
  }

  #sendSub(frame: Frame): void {
    if (this.#swap?.stage === "overlapping") {
      // It would start at one moment on the old connection and at another on the new one: it waits for the new one.
      this.#held = [frame];
      return;
    }
    const [, subject = "", ...rest] = words(frame);
    const sid = rest.pop() ?? "";
    const queue = rest.pop();
    const subscription = { subject, queue, line: frame.line, max: Infinity, before: 0, here: 0, there: 0 };
    this.#subscriptions.set(sid, subscription);
    this.#subscribe(this.#link, sid, subscription);
  }

  #sendUnsub(frame: Frame): void {
    const [, sid = "", max] = words(frame);
    const subscription = this.#subscriptions.get(sid);
    if (!max || !subscription) {
      this.#unsubscribe(sid);
      return;
    }
    subscription.max = Number(max);
    if (received(subscription) >= subscription.max) this.#unsubscribe(sid);
    else {
      this.#limit(this.#link, sid, subscription, subscription.here);
      if (this.#swap?.stage === "overlapping")
        this.#limit(this.#swap.next, sid, subscription, subscription.there);
    }
  }

  #subscribe(link: Link, sid: string, subscription: Subscription): void {
    this.#port.toServer(link, encode(`${subscription.line}\r\n`));
    if (subscription.max < Infinity) this.#limit(link, sid, subscription, 0);
  }

  /**
   * Has the server end a subscription in time; `counted` is what it has counted for it on this connection. Only where a
   * message too many would be taken from somebody else: in a queue group. A plain subscription's server would also count
   * repeats. It is ended from here, and may bring a few more, which clients drop.
   */
  #limit(link: Link, sid: string, subscription: Subscription, counted: number): void {
    if (!subscription.queue) return;
    const rest = subscription.max - received(subscription);
    this.#port.toServer(link, encode(`UNSUB ${sid} ${counted + rest}\r\n`));
  }

  #unsubscribe(sid: string): void {
    const frame = encode(`UNSUB ${sid}\r\n`);
    this.#subscriptions.delete(sid);
    this.#port.toServer(this.#link, frame);
    if (this.#swap && this.#swap.next !== this.#link) this.#port.toServer(this.#swap.next, frame);
  }

  /** From the present connection. */
  #receive(frame: Frame): void {
    const swap = this.#swap;
    if (swap && this.#isForAll(frame)) {
      const key = fingerprint(frame.bytes);
      if (swap.stage !== "trailing") swap.ledger.countOld(key);
      else if (swap.ledger.countNew(key)()) return;
    }
    this.#deliver(frame);
  }

  #receiveFromNext(swap: Swap<Link>, frame: Frame): void {
    if (this.#isForAll(frame)) {
      swap.waiting.push({ frame, isRepeat: swap.ledger.countNew(fingerprint(frame.bytes)) });
    } else if (isMessage(frame)) {
      this.#deliver(frame, "there");
    } else {
      swap.waiting.push({ frame, isRepeat: () => false });
    }
  }

  /** A message that every connection gets that has subscribed; in a queue group only one does. */
  #isForAll(frame: Frame): boolean {
    return isMessage(frame) && !this.#subscriptions.get(sidOf(frame))?.queue;
  }

  #deliver(frame: Frame, counter: "here" | "there" = "here"): void {
    this.#toClient.push(frame.bytes);
    if (frame.verb === "-ERR") this.#noteDenial(frame);
    if (!isMessage(frame)) return;
    const sid = sidOf(frame);
    const subscription = this.#subscriptions.get(sid);
    if (!subscription) return;
    subscription[counter]++;
    if (received(subscription) >= subscription.max) this.#unsubscribe(sid);
  }

  #noteDenial(frame: Frame): void {
    const [, what = "", subject = "", queue] = DENIED.exec(frame.line) ?? [];
    if (!what) return;
    const operation = what.toLowerCase() as Denial["operation"];
    if (operation === "subscription") {
      for (const [sid, subscription] of this.#subscriptions) {
        if (subscription.subject === subject && subscription.queue === queue) this.#subscriptions.delete(sid);
      }
    }
    this.#port.denied({ operation, subject, ...(queue !== undefined && { queue }) });
  }

  /** Sends PING; `at` is called at the very place where the PONG comes in the stream. */
  #pong(link: Link, at?: () => void): Promise<void> {
    this.#port.toServer(link, PING);
    return new Promise((resolve) => {
      this.#pongs.get(link)?.push(() => {
        at?.();
        resolve();
      });
    });
  }

  /** Has both servers mark one moment in what they send. */
  async #mark({ next, ledger }: Swap<Link>): Promise<void> {
    await Promise.all([
      this.#pong(this.#link, () => ledger.markOld()),
      this.#pong(next, () => ledger.markNew()),
    ]);
    ledger.endMark();
  }

  #flush(): void {
    const parts = this.#toClient;
    if (parts.length === 0) return;
    this.#toClient = [];
    this.#port.toClient(concat(parts));
  }
}

const received = ({ before, here, there }: Subscription) => before + here + there;

/** The present connection is gone, the next one is the present one. */
function moveOn(subscription: Subscription): void {
  subscription.before += subscription.here;
  subscription.here = subscription.there;
  subscription.there = 0;
}
