import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Denial } from "../events.ts";
import type { Link } from "./commands.ts";
import { type ConnectOptions, makeSplitter, type ServerInfo } from "./frames.ts";
import { makeRelay, type Relay } from "./relay.ts";
import { bytesOf, Cluster, Connection, type Message, nameOf, pieces, type Sub } from "./server.fixture.ts";

/**
 * A relay between a client like nats.js and modelled servers, over modelled links. Which part does the next step is drawn by
 * fast-check, so that a failure can be repeated by its seed and path, and shrunk. `Scenario` has the parts, `check` the
 * properties.
 */

const RUNS = 120;
/** Milliseconds of one property, including the search for a smaller counterexample. */
const TIME_LIMIT = 30_000;

const SUBJECTS = ["alpha", "beta", "ünï.ćode"];
const PATTERNS = [...SUBJECTS, ">"];
const FORBIDDEN = "forbidden";
const NEWLINE_TRAP = "\r\nMSG alpha 1 5\r\nPING\r\n";
/** How often an actor gets a turn, compared with others. */
const WEIGHTS = [2, 2, 6, 20, 80];
/** The same for actors that begin something. */
const EXTRA_WEIGHTS = [1, 2, 4];

interface Plan {
  readonly servers: number;
  readonly echo: boolean;
  /** How often the next link of a swap may break before the cut. */
  readonly breaks: number;
  readonly swaps: number;
  readonly leaves: boolean;
  readonly forbids: boolean;
  readonly limits: boolean;
  readonly script: readonly number[];
}

interface Delivery {
  readonly name: string;
  readonly from: string;
  readonly at: number;
}

interface ClientSub {
  readonly sid: string;
  readonly subject: string;
  readonly queue: string | undefined;
  readonly got: Delivery[];
  max: number;
  /** The maximum that the server must not exceed, once it knows it. */
  limit: number | undefined;
  state: "open" | "draining" | "drained" | "full" | "closed" | "denied";
  /** The messages that had been delivered when the client began to drain it, and that must arrive. */
  due: readonly string[];
  /** It existed when a swap began. */
  isMoved: boolean;
}

/** One connection between relay and server. */
class ScenarioLink implements Link {
  readonly name: string;
  readonly connection: Connection;
  readonly split = makeSplitter();
  readonly pongs: (() => void)[] = [];
  readonly #scenario: Scenario;
  down: Uint8Array[] = [];
  /** Nothing of it arrives at the relay any more. */
  isBroken = false;
  /** The client's commands were sent on it, at some time. */
  wasCurrent = false;
  pingsSent = 0;
  isRefused = false;
  /** The subject that its credential does not allow. */
  forbidden = "";

  constructor(scenario: Scenario, name: string, open: (link: ScenarioLink) => Connection) {
    this.#scenario = scenario;
    this.name = name;
    this.connection = open(this);
  }

  send(bytes: Uint8Array): void {
    this.#scenario.log(() => `relay -> ${this.name}: ${text(bytes)}`);
    if (!this.isBroken) this.connection.take(bytes);
  }

  logIn({ echo, verbose }: ConnectOptions, { server_id }: ServerInfo): Promise<void> {
    if (echo !== this.#scenario.plan.echo || verbose !== false || server_id !== this.connection.server.name)
      this.#scenario.fault(`${this.name} logs in with other options`);
    return new Promise((resolve) => {
      this.#scenario.loggingIn.push(() => {
        this.send(bytesOf("CONNECT {}\r\n"));
        resolve();
      });
    });
  }

  close(): void {
    this.#scenario.release(this);
  }
}

interface Actor {
  readonly name: string;
  readonly isReady: () => boolean;
  readonly act: () => void | Promise<void>;
  /** Begins something optional; gets no turn after the end of the script. */
  readonly isExtra?: boolean;
  weight: number;
}

/** Runs all pending microtasks. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 24; i++) await undefined;
}

class Scenario {
  readonly plan: Plan;
  readonly trace: string[] | undefined;
  readonly cluster: Cluster;
  readonly links: ScenarioLink[] = [];
  readonly messages: Message[] = [];
  readonly subs = new Map<string, ClientSub>();
  readonly faults: string[] = [];
  readonly denials: Denial[] = [];
  readonly publishers = new Map<string, (subject: string) => void>();
  readonly observed: { readonly name: string; readonly heard: string[] }[] = [];
  readonly actors: Actor[] = [];
  readonly relay: Relay<ScenarioLink>;
  /** The link that the client's commands are sent on. */
  current: ScenarioLink;
  now = 0;
  arrivals = 0;
  luck = 0;
  /** What the client sent and received. */
  readonly published: string[] = [];
  readonly pings: (() => string[])[] = [];
  forbiddenSent = 0;
  errors = 0;
  infos = 0;
  sids = 0;
  hasLeft = false;
  /** A link broke when the swap could not be given up any more. */
  isCutOff = false;
  swapping: ScenarioLink | undefined;
  swapsDone = 0;
  swapsFailed = 0;
  released = 0;
  #cursor = 0;
  #isReady = false;
  /** The operation that the client of this scenario does more often than others. */
  readonly #habit: number;
  /** The link that the present swap replaces. */
  #before: ScenarioLink | undefined;
  readonly loggingIn: (() => void)[] = [];
  #outgoing = new Uint8Array(0) as Uint8Array;
  readonly #fromClient = makeSplitter();
  readonly #settling: { isOver: () => boolean; resolve: () => void }[] = [];

  constructor(plan: Plan, isTraced = false) {
    this.plan = plan;
    this.trace = isTraced ? [] : undefined;
    this.#habit = this.pick(100);
    this.cluster = new Cluster(plan.servers, (count) => this.pick(count));
    this.current = this.#openLink();
    this.current.wasCurrent = true;
    this.relay = makeRelay(this.current, {
      toClient: (bytes) => this.#receive(bytes),
      ready: () => {
        this.#isReady = true;
      },
      settle: (isSameServer) => {
        const [from, to] = [this.#before, this.swapping].map((link) => link?.connection.server);
        if (isSameServer !== (from === to)) this.fault("isSameServer is wrong");
        return new Promise((resolve) => {
          this.#settling.push({ isOver: this.cluster.watchFlights(), resolve });
        });
      },
      denied: (denial) => this.denials.push(denial),
    });
    this.#populate();
  }

  /** The relay closes a link. */
  release(link: ScenarioLink): void {
    if (link !== this.current || !this.swapping) this.fault(`closed ${link.name}`);
    this.log(() => `${link.name} closed`);
    this.released++;
    this.current = this.swapping ?? link;
    this.current.wasCurrent = true;
    link.isBroken = true;
  }

  log(line: () => string): void {
    this.trace?.push(`${this.now} ${line()}`);
  }

  fault(what: string): void {
    this.log(() => `FAULT ${what}`);
    this.faults.push(what);
  }

  /** A number below `count`: the next one of the script, or after its end `luck`. */
  pick(count: number): number {
    if (count < 2) return 0;
    return (this.plan.script[this.#cursor++] ?? this.luck) % count;
  }

  get #isScriptOver(): boolean {
    return this.#cursor >= this.plan.script.length;
  }

  #choose<T>(list: readonly T[]): T {
    return list[this.pick(list.length)] as T;
  }

  #openLink(): ScenarioLink {
    const link = new ScenarioLink(
      this,
      "ABCDEFGH"[this.links.length] ?? "Z",
      (self) =>
        new Connection(this.#choose(this.cluster.servers), "client", {
          echo: this.plan.echo,
          mustLogIn: true,
          mayLogIn: () => !self.isRefused,
          greet: () => infoOf(self),
          mayPublish: (subject) => subject !== FORBIDDEN,
          maySubscribe: (subject) => subject !== FORBIDDEN && subject !== self.forbidden,
          out: (bytes, sub) => this.#sendDown(self, bytes, sub),
          published: (message) => this.#note(message),
        }),
    );
    this.links.push(link);
    link.down.push(infoOf(link));
    const step = this.#stepper(link.connection, link.name);
    this.#add(`up ${link.name}`, () => !link.connection.isIdle, step);
    this.#add(
      `down ${link.name}`,
      () => link.down.length > 0 && !link.isBroken && !this.hasLeft,
      () => this.#bringDown(link),
    );
    this.#add(
      `server pings ${link.name}`,
      () => !link.isBroken && link.connection.isLoggedIn && link.pingsSent < 2,
      () => {
        link.pingsSent++;
        link.down.push(bytesOf("PING\r\n"));
      },
      true,
    );
    this.#add(
      `server of ${link.name} closes`,
      () => link.isBroken && link.connection.subs.size > 0,
      () => link.connection.close(),
    );
    return link;
  }

  #stepper(connection: Connection, name: string): () => void {
    return () => {
      this.log(() => `${name}: ${connection.next}`);
      connection.step();
    };
  }

  #note(message: Message): void {
    this.messages.push(message);
  }

  #sendDown(link: ScenarioLink, bytes: Uint8Array, sub?: Sub): void {
    this.log(() => `server -> ${link.name}: ${text(bytes)}`);
    if (link.isBroken) return;
    link.down.push(bytes);
    if (!sub) return;
    const mine = this.subs.get(sub.sid);
    if (!mine?.queue || mine.isMoved || mine.limit === undefined) return;
    const handed = this.#handed(mine);
    if (handed > mine.limit) this.fault(`a queue group's ${sub.sid} took ${handed}, maximum ${mine.max}`);
  }

  #handed({ sid }: ClientSub): number {
    const subs = this.messages.flatMap(({ handedTo }) => handedTo);
    return subs.filter((sub) => this.isMine(sub, sid)).length;
  }

  wants(message: Message): boolean {
    return this.plan.echo || message.from.name !== "client";
  }

  isMine(sub: Sub, sid: string): boolean {
    return sub.sid === sid && sub.connection.name === "client";
  }

  /** Lets the relay receive a part of what is on its way; the place of the cut is drawn. */
  async #bringDown(link: ScenarioLink): Promise<void> {
    const waiting = Buffer.concat(link.down.splice(0));
    const size = this.#sizeOfChunk(waiting);
    const chunk = Uint8Array.from(waiting.subarray(0, size));
    if (size < waiting.length) link.down.push(waiting.subarray(size));
    const frames = link.split(chunk);
    this.log(() => `${link.name} -> relay: ${frames.map(({ bytes }) => text(bytes)).join(" | ")}`);
    if (frames.length === 0) return;
    this.relay.fromServer(link, frames);
    await microtasks();
  }

  #add(name: string, isReady: () => boolean, act: () => void | Promise<void>, isExtra = false): Actor {
    const actor = { name, isReady, act, isExtra, weight: this.#choose(isExtra ? EXTRA_WEIGHTS : WEIGHTS) };
    this.actors.push(actor);
    return actor;
  }

  #populate(): void {
    const { plan, cluster } = this;
    // On each server an observer that receives everything, and a member of the queue group that never leaves.
    for (const server of cluster.servers) {
      const heard: string[] = [];
      const observer = new Connection(server, `observer on ${server.name}`, {
        out: (bytes) => heard.push(...pieces(bytes).map(({ payload }) => nameOf(payload))),
      });
      this.observed.push({ name: observer.name, heard });
      observer.take(bytesOf("SUB > 1\r\n"));
      this.#add(observer.name, () => !observer.isIdle, this.#stepper(observer, observer.name));
    }
    const member = new Connection(this.#choose(cluster.servers), "member");
    member.take(bytesOf(`SUB ${SUBJECTS[0]} ${queueOf(SUBJECTS[0] ?? "")} 1\r\n`));
    this.#add("member", () => !member.isIdle, this.#stepper(member, "member"));
    for (const route of cluster.routes) {
      const name = `route ${route.from.name}-${route.to.name}`;
      this.#add(
        name,
        () => !route.isIdle,
        () => {
          this.log(() => name);
          route.step();
        },
      );
    }
    for (const actor of this.actors) if (!actor.isExtra) while (actor.isReady()) void actor.act();
    for (const name of ["p1", "p2", "p3"]) {
      const publisher = new Connection(this.#choose(cluster.servers), name, {
        published: (message) => this.#note(message),
      });
      let count = 0;
      const publish = (subject: string) => publisher.take(this.#publication(subject, name, ++count));
      this.publishers.set(name, publish);
      this.#add(
        `${name} publishes`,
        () => count < 20,
        () => publish(this.#choose(SUBJECTS)),
        true,
      );
      this.#add(name, () => !publisher.isIdle, this.#stepper(publisher, name));
    }
    this.#add(
      "login",
      () => this.loggingIn.length > 0 && !this.hasLeft,
      async () => {
        this.loggingIn.shift()?.();
        await microtasks();
      },
    );
    this.#add(
      "wire",
      () => this.#outgoing.length > 0 && !this.hasLeft,
      () => this.#bringUp(),
    );
    let acts = 0;
    this.#add(
      "client",
      () => acts < 40 && this.infos > 0 && !this.hasLeft,
      () => {
        acts++;
        this.#clientActs();
      },
      true,
    );
    this.#add(
      "settle",
      () => !this.hasLeft && this.#settling.some(({ isOver }) => isOver()),
      async () => {
        const at = this.#settling.findIndex(({ isOver }) => isOver());
        const [settled] = this.#settling.splice(at, 1);
        this.log(() => "settled");
        settled?.resolve();
        await microtasks();
      },
    );
    let swaps = 0;
    this.#add(
      "swap",
      () => swaps < plan.swaps && !this.swapping && this.#isReady && !this.hasLeft,
      async () => {
        swaps++;
        await this.startSwap();
      },
      true,
    );
    let breaks = 0;
    const isBreakable = () => this.swapping !== undefined && this.swapping !== this.current && !this.hasLeft;
    this.#add(
      "break",
      () => breaks < plan.breaks && isBreakable(),
      async () => {
        if (this.pick(10) > 0) return;
        breaks++;
        const link = this.swapping as ScenarioLink;
        this.log(() => `${link.name} breaks`);
        link.isBroken = true;
        // If the swap cannot be given up, the client is told that its connection broke.
        if (!this.relay.abandon(new Error("broken"))) this.hasLeft = this.isCutOff = true;
        await microtasks();
      },
      true,
    );
    this.#add(
      "leave",
      () => plan.leaves && this.#isReady && !this.hasLeft && this.published.length > 3,
      async () => {
        while (this.#outgoing.length > 0) this.#bringUp();
        this.log(() => "client leaves");
        this.hasLeft = true;
        this.relay.leave();
        await microtasks();
      },
      true,
    );
    this.#add(
      "weights",
      () => true,
      () => {
        const actor = this.#choose(this.actors);
        if (!actor.isExtra) actor.weight = this.#choose(WEIGHTS);
      },
      true,
    ).weight = 10;
  }

  async startSwap(forbidden = ""): Promise<void> {
    const link = this.#openLink();
    link.forbidden = forbidden;
    this.log(() => `swap to ${link.name} on ${link.connection.server.name}`);
    link.isRefused = this.plan.breaks > 0 && this.pick(8) === 1;
    this.swapping = link;
    this.#before = this.current;
    for (const sub of this.subs.values()) sub.isMoved = true;
    this.relay.swap(link).then(
      () => {
        this.log(() => "swap done");
        this.swapsDone++;
        this.swapping = undefined;
      },
      (error: Error) => {
        this.log(() => `swap failed: ${error.message}`);
        const isExpected = error.message === "broken" || (link.isRefused && error.message.startsWith("-ERR"));
        if (!isExpected && !this.hasLeft) this.fault(`swap failed: ${error.stack}`);
        // What is on its way to the server when the client leaves still arrives there.
        if (!this.hasLeft) link.isBroken = true;
        this.swapsFailed++;
        this.swapping = undefined;
      },
    );
    await microtasks();
  }

  // The client.

  #publication(subject: string, name: string, count: number): Uint8Array {
    const trap = this.pick(4) === 0 ? NEWLINE_TRAP : "";
    const filler = this.pick(12) === 0 ? 2000 : this.pick(3);
    const reply = this.pick(3) === 0 ? " _INBOX.x" : "";
    const body = Buffer.concat([
      bytesOf(`${name}:${count};${trap}`),
      Uint8Array.from({ length: filler }, (_, i) => (i * 7 + count) % 256),
    ]);
    const head = this.pick(3) === 0 ? bytesOf("NATS/1.0\r\nKey: välue\r\n\r\n") : undefined;
    const line = head
      ? `HPUB ${subject}${reply} ${head.length} ${head.length + body.length}`
      : `PUB ${subject}${reply} ${body.length}`;
    return Buffer.concat([bytesOf(`${line}\r\n`), head ?? new Uint8Array(0), body, bytesOf("\r\n")]);
  }

  send(bytes: Uint8Array): void {
    this.log(() => `client: ${text(bytes)}`);
    this.#outgoing = Buffer.concat([this.#outgoing, bytes]);
  }

  /** The size of all, of the first frame, or of a part that ends within a frame. */
  #sizeOfChunk(waiting: Uint8Array): number {
    const kind = this.pick(6);
    if (kind < 3) return waiting.length;
    if (kind === 3) return makeSplitter()(waiting)[0]?.bytes.length ?? waiting.length;
    return kind === 4 ? 1 : 1 + this.pick(waiting.length);
  }

  #bringUp(): void {
    const waiting = this.#outgoing;
    const size = this.#sizeOfChunk(waiting);
    const chunk = Uint8Array.from(waiting.subarray(0, size));
    this.#outgoing = waiting.subarray(size);
    this.log(() => `client -> relay: ${text(chunk)}`);
    this.relay.fromClient(this.#fromClient(chunk));
  }

  ping(): void {
    // Messages that were delivered on a link whose messages go to the client at once.
    const due: [string, ScenarioLink, string][] = [];
    for (const message of this.messages) {
      for (const { sid, queue, connection } of message.handedTo) {
        const link = this.links.find((one) => one.connection === connection);
        if (link && this.subs.get(sid)?.state === "open" && (queue || link === this.current))
          due.push([sid, link, message.name]);
      }
    }
    const limited = [...this.subs.values()].filter(({ max }) => max < Infinity);
    this.pings.push(() => {
      for (const sub of limited) sub.limit ??= Math.max(sub.max, this.#handed(sub));
      return due
        .filter(([sid, link, name]) => {
          const sub = this.subs.get(sid);
          const isOpen = sub?.state === "open" || sub?.state === "draining";
          return (
            isOpen && (!link.isBroken || link === this.current) && !sub.got.some((got) => got.name === name)
          );
        })
        .map(([sid, link, name]) => `${name} for ${sid} on ${link.name}`);
    });
    this.send(bytesOf("PING\r\n"));
  }

  #clientActs(): void {
    const open = [...this.subs.values()].filter(({ state }) => state === "open");
    const sub = open.length > 0 ? this.#choose(open) : undefined;
    const acts = [
      () => this.publish(),
      () => this.publish(),
      () => this.publish(),
      () => this.ping(),
      () => this.subscribe(this.#choose(PATTERNS)),
      () => this.subscribe(this.#choose(PATTERNS)),
      () => this.subscribe(this.#choose(SUBJECTS), true),
      () => this.subscribe(this.#choose(SUBJECTS), true),
      () => this.plan.limits && this.subscribe(this.#choose(SUBJECTS), this.pick(2) === 0, 1 + this.pick(4)),
      () => sub && this.unsubscribe(sub),
      () => sub && this.drain(sub),
      () => sub?.max === Infinity && this.plan.limits && this.limit(sub, sub.got.length + 1 + this.pick(3)),
      () => this.plan.forbids && this.forbidden(),
    ];
    (this.pick(3) === 0 ? acts[this.#habit % acts.length] : this.#choose(acts))?.();
  }

  publish(): void {
    this.published.push(`client:${this.published.length + 1}`);
    this.send(this.#publication(this.#choose(SUBJECTS), "client", this.published.length));
  }

  subscribe(subject: string, isQueued = false, max = Infinity): ClientSub {
    const sid = `${++this.sids}`;
    const queue = isQueued ? queueOf(subject) : undefined;
    const sub: ClientSub = {
      sid,
      subject,
      queue,
      got: [],
      max: Infinity,
      limit: undefined,
      state: "open",
      due: [],
      isMoved: this.swapping !== undefined,
    };
    this.subs.set(sid, sub);
    this.send(bytesOf(`SUB ${subject} ${queue ? `${queue} ` : ""}${sid}\r\n`));
    if (max < Infinity) this.limit(sub, max);
    return sub;
  }

  limit(sub: ClientSub, max: number): void {
    sub.max = max;
    this.send(bytesOf(`UNSUB ${sub.sid} ${max}\r\n`));
    if (sub.got.length >= max) sub.state = "full";
  }

  unsubscribe(sub: ClientSub, state: ClientSub["state"] = "closed"): void {
    sub.state = state;
    this.send(bytesOf(`UNSUB ${sub.sid}\r\n`));
  }

  drain(sub: ClientSub): void {
    sub.state = "draining";
    sub.due = this.messages
      .filter((message) => this.wants(message))
      .filter((message) => message.isDone && message.seenBy.some((to) => this.isMine(to, sub.sid)))
      .map(({ name }) => name);
    this.send(bytesOf(`UNSUB ${sub.sid}\r\n`));
    this.ping();
    const last = this.pings.pop();
    this.pings.push(() => {
      if (sub.state === "draining") sub.state = "drained";
      return last?.() ?? [];
    });
  }

  forbidden(): void {
    this.forbiddenSent++;
    if (this.pick(2) === 0) {
      this.send(bytesOf(`PUB ${FORBIDDEN} 2\r\nno\r\n`));
    } else {
      const sub = this.subscribe(FORBIDDEN, this.pick(2) === 0);
      sub.state = "denied";
    }
  }

  #receive(bytes: Uint8Array): void {
    if (this.hasLeft) return;
    for (const piece of pieces(bytes)) {
      this.log(() => `relay -> client: ${text(piece.bytes)}`);
      if (piece.verb === "PONG") this.#receivePong();
      else if (piece.verb === "INFO") this.#receiveInfo();
      else if (piece.verb === "-ERR") this.#receiveError(piece.words);
      else if (piece.verb === "MSG" || piece.verb === "HMSG")
        this.#receiveMessage(piece.words[2] ?? "", piece.payload, piece.bytes);
      else this.fault(`the client received ${piece.verb}`);
    }
  }

  #receiveInfo(): void {
    if (this.infos++ > 0) return;
    this.send(bytesOf(`CONNECT {"echo":${this.plan.echo},"verbose":true}\r\n`));
    this.ping();
  }

  #receiveError(words: readonly string[]): void {
    this.errors++;
    for (const sub of this.subs.values()) {
      if (words.includes(`"${sub.subject}"`) || words.includes(`"${sub.subject}"'`)) sub.state = "denied";
    }
  }

  #receivePong(): void {
    const ping = this.pings.shift();
    if (!ping) this.fault("a PONG without a PING");
    for (const missed of ping?.() ?? []) this.fault(`PONG before ${missed}`);
  }

  #receiveMessage(sid: string, payload: Uint8Array, bytes: Uint8Array): void {
    const sub = this.subs.get(sid);
    const name = nameOf(payload);
    const message = this.messages.find((one) => one.name === name);
    if (!sub || !message) {
      this.fault(`the client received of ${name} for ${sid}`);
      return;
    }
    if (!this.wants(message)) this.fault(`${name} came back for ${sid}`);
    if (!Buffer.from(message.frameFor(sid)).equals(bytes)) this.fault(`${name} came with other bytes`);
    if (sub.state !== "open" && sub.state !== "draining") return;
    if (sub.got.some((got) => got.name === name)) this.fault(`${name} came twice for ${sid}`);
    sub.got.push({ name, from: name.split(":")[0] ?? "", at: this.arrivals++ });
    if (sub.got.length >= sub.max) this.unsubscribe(sub, "full");
    // Clients publish while they receive.
    if (this.pick(12) === 1) this.publish();
    else if (this.pick(30) === 1) {
      this.publish();
      this.#bringUp();
    }
  }

  // The run.

  async run(): Promise<void> {
    while (!this.#isScriptOver) {
      const ready = this.actors.filter((actor) => actor.isReady());
      const sum = ready.reduce((total, { weight }) => total + weight, 0);
      const at = this.pick(sum);
      let passed = 0;
      const actor = ready.find(({ weight }) => {
        passed += weight;
        return passed > at;
      });
      this.now++;
      await actor?.act();
    }
    await this.finish();
    if (!this.hasLeft) {
      this.ping();
      await this.finish();
    }
  }

  async finish(): Promise<void> {
    this.log(() => "script over");
    await this.rest();
  }

  async turn(name: string): Promise<void> {
    await this.actors.find((actor) => actor.name === name)?.act();
  }

  /** Gives turns to all actors but these, until none has anything to do, or until the condition is true. */
  async rest(but: readonly string[] = [], until = () => false): Promise<void> {
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      for (const actor of [...this.actors]) {
        if (until()) return;
        if (actor.isExtra || but.includes(actor.name) || !actor.isReady()) continue;
        isBusy = true;
        if (this.now++ > 100_000) throw new Error(`${actor.name} never ends`);
        await actor.act();
      }
    }
  }
}

const infoOf = ({ connection }: ScenarioLink) =>
  bytesOf(`INFO {"server_id":"${connection.server.name}"}\r\n`);

const queueOf = (subject: string) => `q-${subject}`;

const text = (bytes: Uint8Array) => {
  const whole = Buffer.from(bytes).toString("latin1").replaceAll("\r\n", "~");
  return whole.length > 100 ? `${whole.slice(0, 90)}… (${bytes.length})` : whole;
};

const isSorted = (numbers: readonly number[]) =>
  numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0));

/** The properties that hold when nothing is under way any more. */
function check(scenario: Scenario): void {
  /** Whether a subscription is the client's, on a link from which its messages arrive. */
  const isHeard = (sub: Sub, sid: string) =>
    scenario.isMine(sub, sid) &&
    scenario.links.some(
      ({ connection, isBroken, wasCurrent }) => connection === sub.connection && (wasCurrent || !isBroken),
    );

  // What the client sent.
  const processed = scenario.messages.filter(({ from }) => from.name === "client").map(({ name }) => name);
  if (scenario.isCutOff) {
    if (!scenario.published.join().startsWith(processed.join()))
      scenario.fault(`cut off, the client's messages: ${processed.join()}`);
    return;
  }
  if (processed.join() !== scenario.published.join())
    scenario.fault(`the client's messages: ${processed.join()} instead of ${scenario.published.join()}`);
  for (const observer of scenario.observed) {
    for (const from of ["client", "p1", "p2", "p3"]) {
      const seen = observer.heard.filter((name) => name.startsWith(`${from}:`));
      if (!isSorted(seen.map(seqOf))) scenario.fault(`${observer.name} heard ${seen.join()}`);
    }
    const own = observer.heard.filter((name) => name.startsWith("client:"));
    if (new Set(own).size !== scenario.published.length)
      scenario.fault(`${observer.name} heard ${own.join()}`);
  }
  if (scenario.hasLeft) return;

  // What the client received.
  for (const sub of scenario.subs.values()) {
    const names = sub.got.map(({ name }) => name);
    const due = scenario.messages
      .filter((message) => scenario.wants(message))
      .filter((message) => message.seenBy.some((to) => isHeard(to, sub.sid)))
      .map(({ name }) => name);
    const handed = scenario.messages
      .filter((message) => message.handedTo.some((to) => isHeard(to, sub.sid)))
      .map(({ name }) => name);
    const missed = (list: readonly string[]) => list.filter((name) => !names.includes(name));
    const isLimited = sub.max < Infinity;
    if (sub.queue) {
      if (["open", "drained"].includes(sub.state) && missed(handed).length > 0)
        scenario.fault(`${sub.state} queue subscription ${sub.sid} missed ${missed(handed).join()}`);
    } else {
      for (const from of ["client", "p1", "p2", "p3"]) {
        const seen = sub.got.filter((got) => got.from === from).map(({ name }) => name);
        if (!isSorted(seen.map(seqOf))) scenario.fault(`${sub.sid} got ${seen.join()}`);
      }
      if (sub.state === "open" && missed(due).length > 0)
        scenario.fault(`${sub.sid} missed ${missed(due).join()}`);
      if (sub.state === "drained" && !isLimited && missed(sub.due).length > 0)
        scenario.fault(`drained ${sub.sid} missed ${missed(sub.due).join()}`);
      if (sub.state === "full" && sub.got.length !== sub.max && sub.got.length < sub.max)
        scenario.fault(`${sub.sid} is full with ${sub.got.length} of ${sub.max}`);
    }
  }
  // Each message of a queue group was delivered to one member, unless all had left.
  for (const message of scenario.messages) {
    const queues = new Set(message.seenBy.flatMap(({ queue }) => queue ?? []));
    for (const queue of queues) {
      const members = message.seenBy.filter((sub) => sub.queue === queue);
      const handed = message.handedTo.filter((sub) => sub.queue === queue);
      if (handed.length > 1) scenario.fault(`${message.name} went to ${handed.length} of ${queue}`);
      const stayed = members.some(
        ({ connection, sid }) =>
          connection.name !== "client" ||
          (scenario.wants(message) &&
            scenario.subs.get(sid)?.state === "open" &&
            scenario.subs.get(sid)?.max === Infinity),
      );
      if (handed.length === 0 && stayed && scenario.swapsFailed === 0)
        scenario.fault(`${message.name} went to none of ${queue}`);
    }
  }
  // The rest.
  if (scenario.pings.length > 0) scenario.fault(`${scenario.pings.length} PINGs without a PONG`);
  if (scenario.errors !== scenario.forbiddenSent)
    scenario.fault(`${scenario.errors} of ${scenario.forbiddenSent} denials arrived`);
  if (scenario.denials.length !== scenario.forbiddenSent)
    scenario.fault(`${scenario.denials.length} of ${scenario.forbiddenSent} denials were reported`);
  if (scenario.swapping) scenario.fault("the swap does not end");
  if (scenario.released !== scenario.swapsDone) scenario.fault(`${scenario.released} links released`);
  // Servers send INFO again after the first PING.
  if (scenario.infos !== 2 * (1 + scenario.swapsDone)) scenario.fault(`${scenario.infos} INFOs`);
  const open = [...scenario.subs.values()].filter(({ state }) => state === "open").map(({ sid }) => sid);
  const kept = [...scenario.current.connection.subs.keys()];
  if (open.sort().join() !== kept.sort().join())
    scenario.fault(`the server has ${kept.join()}, the client ${open.join()}`);
  for (const link of scenario.links) {
    if (!link.isBroken && link.connection.pongs !== link.pingsSent)
      scenario.fault(`${link.name}: PINGs of the server`);
  }
}

const seqOf = (name: string) => Number(name.split(":")[1]);

const { integer, boolean, record, constant, array, nat } = fc;

/** Arbitrary plans, with these values fixed. */
const plans = (overrides: Partial<Plan> = {}) =>
  record<Plan>({
    servers: constant(overrides.servers ?? 1),
    echo: overrides.echo === undefined ? boolean() : constant(overrides.echo),
    breaks: constant(overrides.breaks ?? 0),
    swaps: integer({ min: 1, max: overrides.swaps ?? 3 }),
    leaves: constant(overrides.leaves ?? false),
    forbids: constant(overrides.forbids ?? true),
    limits: constant(overrides.limits ?? true),
    script: array(nat(0xffff), { minLength: 200, maxLength: 1800, size: "max" }),
  });

async function judge(plan: Plan, isTraced = false): Promise<Scenario> {
  const scenario = new Scenario(plan, isTraced);
  try {
    await scenario.run();
    check(scenario);
  } catch (error) {
    scenario.fault(`${(error as Error).stack}`);
  }
  return scenario;
}

function holds(name: string, overrides: Partial<Plan>, runs = RUNS): void {
  test(name, async () => {
    await fc.assert(
      fc.asyncProperty(plans(overrides), async (plan) => {
        const { faults } = await judge(plan);
        if (faults.length === 0) return;
        const { trace = [] } = await judge(plan, true);
        throw new Error(`${faults.join("\n")}\n\n${trace.slice(-200).join("\n")}`);
      }),
      { numRuns: runs, interruptAfterTimeLimit: TIME_LIMIT },
    );
  });
}

describe("a relay, in any order of events,", () => {
  holds("loses and repeats nothing when connections are swapped", {});
  holds("swaps between the servers of a cluster", { servers: 3 });
  holds("continues when the next connection breaks before the cut, or is refused", { breaks: 2 });
  holds("sends all that the client has sent when the client leaves", { servers: 2, leaves: true });
});

/** A scenario in which only what the test says happens. */
async function directed(overrides: Partial<Plan> = {}): Promise<Scenario> {
  const plan = { servers: 1, echo: true, breaks: 0, swaps: 0, leaves: false, forbids: false, limits: false };
  const scenario = new Scenario({ ...plan, ...overrides, script: [] }, true);
  await scenario.rest();
  return scenario;
}

async function swapTo(scenario: Scenario, server: number, forbidden?: string): Promise<void> {
  scenario.luck = server;
  await scenario.startSwap(forbidden);
  scenario.luck = 0;
}

async function expectNoFaults(scenario: Scenario): Promise<void> {
  await scenario.finish();
  scenario.ping();
  await scenario.finish();
  check(scenario);
  if (scenario.faults.length > 0)
    throw new Error(`${scenario.faults.join("\n")}\n\n${scenario.trace?.join("\n")}`);
}

describe("a relay", () => {
  test("keeps the order of messages when a SUB is under way as a swap begins", async () => {
    const scenario = await directed();
    scenario.subscribe("alpha");
    await scenario.turn("wire");
    await swapTo(scenario, 0);
    await scenario.rest(["up A"]);
    scenario.publishers.get("p1")?.("alpha");
    await scenario.rest(["up A"]);
    await scenario.rest(["settle"]);
    scenario.publishers.get("p1")?.("alpha");
    await scenario.rest(["settle"]);
    await expectNoFaults(scenario);
  });

  test("reports a denial once that is under way as a swap begins", async () => {
    const scenario = await directed();
    scenario.luck = 1;
    scenario.forbidden();
    await scenario.turn("wire");
    await swapTo(scenario, 0);
    await scenario.rest(["up A"]);
    await expectNoFaults(scenario);
  });

  test("reports a subject that only the new credential denies", async () => {
    const scenario = await directed();
    scenario.subscribe("alpha");
    scenario.subscribe("beta", true);
    await scenario.rest();
    await swapTo(scenario, 0, "alpha");
    await scenario.rest();
    await swapTo(scenario, 0, "beta");
    await scenario.rest();
    expect(scenario.denials).toEqual([
      { type: "denied", operation: "subscription", subject: "alpha" },
      { type: "denied", operation: "subscription", subject: "beta", queue: queueOf("beta") },
    ]);
    scenario.forbiddenSent = 2;
    await expectNoFaults(scenario);
  });

  test("drops a repeat that the server delivers late and that arrives later still", async () => {
    const scenario = await directed();
    scenario.subscribe("alpha");
    await scenario.rest();
    await swapTo(scenario, 0);
    await scenario.rest(["settle"]);
    scenario.publishers.get("p1")?.("alpha");
    await scenario.turn("p1");
    // The observer and the old connection have it.
    await scenario.turn("p1");
    await scenario.turn("p1");
    await scenario.rest(["p1"]);
    expect(scenario.current.name).toBe("B");
    await scenario.rest(["down B"]);
    await expectNoFaults(scenario);
  });

  test("delivers what both members of a queue group had got before one of them was drained", async () => {
    const scenario = await directed();
    const sub = scenario.subscribe("beta", true);
    await scenario.rest();
    await swapTo(scenario, 0);
    await scenario.rest(["settle"]);
    for (const member of [0, 1]) {
      scenario.luck = member;
      scenario.publishers.get("p1")?.("beta");
      await scenario.rest(["settle", "down A", "down B"]);
    }
    scenario.luck = 0;
    scenario.drain(sub);
    await scenario.rest(["settle", "down B"]);
    await expectNoFaults(scenario);
    expect(sub.got.length).toBe(2);
  });

  test("lets no message overtake in a cluster what was published before the cut", async () => {
    const scenario = await directed({ servers: 2 });
    await swapTo(scenario, 1);
    while (scenario.current.name === "A") {
      await scenario.rest(["settle"]);
      scenario.publish();
      await scenario.turn("wire");
      await scenario.turn("settle");
      await scenario.rest(["settle", "route s1-s2"]);
    }
    scenario.publish();
    await scenario.rest(["route s1-s2"]);
    await expectNoFaults(scenario);
  });

  test("delivers the messages of several subscriptions in the order in which they were published", async () => {
    const scenario = await directed();
    const subs = [scenario.subscribe(">"), scenario.subscribe("alpha")];
    await scenario.rest();
    await swapTo(scenario, 0);
    await scenario.rest(["settle"]);
    await scenario.turn("settle");
    // The server has ended the first subscription on the old connection.
    await scenario.turn("up A");
    await scenario.turn("up A");
    for (let i = 0; i < 2; i++) {
      scenario.publishers.get("p1")?.("alpha");
      await scenario.rest(["up A", "settle"]);
    }
    await expectNoFaults(scenario);
    const got = subs.flatMap((sub) => sub.got).sort((one, other) => one.at - other.at);
    expect(got.map(({ name }) => name)).toEqual(["p1:1", "p1:1", "p1:2", "p1:2"]);
  });

  test("loses no message of a queue group that the next connection brought before it broke", async () => {
    const scenario = await directed({ breaks: 1 });
    const sub = scenario.subscribe("beta", true);
    await scenario.rest();
    await swapTo(scenario, 0);
    await scenario.rest(["settle"]);
    scenario.luck = 1;
    scenario.publishers.get("p1")?.("beta");
    await scenario.rest(["settle", "down B"]);
    scenario.luck = 0;
    await scenario.rest(["settle"]);
    await scenario.turn("break");
    await expectNoFaults(scenario);
    expect(sub.got.length).toBe(1);
  });

  test("sends the PONG to the client's PING when the next connection breaks before its own", async () => {
    const scenario = await directed({ breaks: 1 });
    await swapTo(scenario, 0);
    await scenario.rest(["settle"]);
    scenario.ping();
    await scenario.rest(["settle", "up B"]);
    await scenario.turn("break");
    await expectNoFaults(scenario);
  });

  test("sends what the client sends when the next connection is refused together with its first PONG", async () => {
    const scenario = await directed({ echo: false });
    await swapTo(scenario, 0);
    const next = scenario.links[1] as ScenarioLink;
    await scenario.rest([], () => next.connection.isLoggedIn && next.connection.isIdle);
    next.isRefused = true;
    next.down.push(bytesOf("-ERR 'Stale Connection'\r\n"));
    await scenario.turn("down B");
    expect(scenario.swapsFailed).toBe(1);
    scenario.publish();
    await expectNoFaults(scenario);
  });

  for (const echo of [true, false]) {
    test(`does not repeat what is on its way through a cluster when a swap begins, echo ${echo}`, async () => {
      const scenario = await directed({ servers: 2, echo });
      scenario.subscribe(">");
      await scenario.rest();
      scenario.publishers.get("p1")?.("alpha");
      scenario.publish();
      await scenario.rest(["route s1-s2"]);
      await swapTo(scenario, 1);
      await scenario.rest(["route s1-s2"]);
      await expectNoFaults(scenario);
    });
  }
});
