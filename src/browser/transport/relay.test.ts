import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Denial } from "../events.ts";
import { type ConnectOptions, makeSplitter, type ServerInfo } from "./frames.ts";
import { type Link, makeRelay, type Relay } from "./relay.ts";
import { bytesOf, Cluster, Connection, type Message, nameOf, pieces, type Sub } from "./server.fixture.ts";

/**
 * A relay between a client like nats.js and modelled servers, over modelled links. Who does the next step is drawn by
 * fast-check, so a failure is repeated by its seed and path, and shrunk. See `World` for the parts, `check` for what
 * must hold.
 */

const RUNS = 120;
/** Milliseconds, for the search of a smaller counterexample too. */
const TIME_LIMIT = 30_000;

const SUBJECTS = ["alpha", "beta", "ünï.ćode"];
const PATTERNS = [...SUBJECTS, ">"];
const FORBIDDEN = "forbidden";
const NEWLINE_TRAP = "\r\nMSG alpha 1 5\r\nPING\r\n";
/** How often somebody gets a turn, compared with others. */
const HASTES = [2, 2, 6, 20, 80];
/** The same for those who begin something. */
const EXTRA_HASTES = [1, 2, 4];

interface Plan {
  readonly servers: number;
  readonly echo: boolean;
  /** How often the swap's next link dies before the cut. */
  readonly deaths: number;
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
  /** What the server must not hand out more than, once it was told. */
  limit: number | undefined;
  state: "open" | "draining" | "drained" | "full" | "closed" | "denied";
  /** What had been handed out when the client began to drain it, as far as it must come. */
  due: readonly string[];
  /** It was there when a swap began. */
  isMoved: boolean;
}

/** One connection between relay and server. */
class WorldLink implements Link {
  readonly name: string;
  readonly connection: Connection;
  readonly split = makeSplitter();
  readonly pongs: (() => void)[] = [];
  readonly #world: World;
  down: Uint8Array[] = [];
  /** The relay hears no more of it. */
  isDead = false;
  /** The client's commands went to it. */
  wasCurrent = false;
  pingsSent = 0;
  isRefused = false;
  /** What its credential does not allow. */
  forbidden = "";

  constructor(world: World, name: string, open: (link: WorldLink) => Connection) {
    this.#world = world;
    this.name = name;
    this.connection = open(this);
  }

  send(bytes: Uint8Array): void {
    this.#world.log(() => `relay -> ${this.name}: ${text(bytes)}`);
    if (!this.isDead) this.connection.take(bytes);
  }

  logIn({ echo, verbose }: ConnectOptions, { server_id }: ServerInfo): Promise<void> {
    if (echo !== this.#world.plan.echo || verbose !== false || server_id !== this.connection.server.name)
      this.#world.fault(`${this.name} logs in with something else`);
    return new Promise((resolve) => {
      this.#world.loggingIn.push(() => {
        this.send(bytesOf("CONNECT {}\r\n"));
        resolve();
      });
    });
  }

  close(): void {
    this.#world.release(this);
  }
}

interface Actor {
  readonly name: string;
  readonly isReady: () => boolean;
  readonly act: () => void | Promise<void>;
  /** Begins something that would not have to be; has no turn when the script is over. */
  readonly isExtra?: boolean;
  haste: number;
}

/** Lets everything run that waits for nothing but its turn. */
async function microtasks(): Promise<void> {
  for (let i = 0; i < 24; i++) await undefined;
}

class World {
  readonly plan: Plan;
  readonly trace: string[] | undefined;
  readonly cluster: Cluster;
  readonly links: WorldLink[] = [];
  readonly messages: Message[] = [];
  readonly subs = new Map<string, ClientSub>();
  readonly faults: string[] = [];
  readonly denials: Denial[] = [];
  readonly publishers = new Map<string, (subject: string) => void>();
  readonly observed: { readonly name: string; readonly heard: string[] }[] = [];
  readonly actors: Actor[] = [];
  readonly relay: Relay<WorldLink>;
  /** The link that the client's commands go to. */
  current: WorldLink;
  now = 0;
  arrivals = 0;
  luck = 0;
  /** What the client did and heard. */
  readonly published: string[] = [];
  readonly pings: (() => string[])[] = [];
  forbiddenSent = 0;
  errors = 0;
  infos = 0;
  sids = 0;
  hasLeft = false;
  /** A link died at a moment that had no way back. */
  isCutOff = false;
  swapping: WorldLink | undefined;
  swapsDone = 0;
  swapsFailed = 0;
  released = 0;
  #cursor = 0;
  #isReady = false;
  /** What this client does more often than others do. */
  readonly #habit: number;
  /** What the swap that is in progress began with. */
  #before: WorldLink | undefined;
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
      toClient: (bytes) => this.#hear(bytes),
      ready: () => {
        this.#isReady = true;
      },
      settle: (isSameServer) => {
        const [from, to] = [this.#before, this.swapping].map((link) => link?.connection.server);
        if (isSameServer !== (from === to)) this.fault("took one server for another");
        return new Promise((resolve) => {
          this.#settling.push({ isOver: this.cluster.watchFlights(), resolve });
        });
      },
      denied: (denial) => this.denials.push(denial),
    });
    this.#populate();
  }

  /** The relay is done with a link. */
  release(link: WorldLink): void {
    if (link !== this.current || !this.swapping) this.fault(`closed ${link.name}`);
    this.log(() => `${link.name} closed`);
    this.released++;
    this.current = this.swapping ?? link;
    this.current.wasCurrent = true;
    link.isDead = true;
  }

  log(line: () => string): void {
    this.trace?.push(`${this.now} ${line()}`);
  }

  fault(what: string): void {
    this.log(() => `FAULT ${what}`);
    this.faults.push(what);
  }

  /** A number below `count`, from the script; when that is over, from luck. */
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

  #openLink(): WorldLink {
    const link = new WorldLink(
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
      () => link.down.length > 0 && !link.isDead && !this.hasLeft,
      () => this.#bringDown(link),
    );
    this.#add(
      `server pings ${link.name}`,
      () => !link.isDead && link.connection.isLoggedIn && link.pingsSent < 2,
      () => {
        link.pingsSent++;
        link.down.push(bytesOf("PING\r\n"));
      },
      true,
    );
    this.#add(
      `server of ${link.name} closes`,
      () => link.isDead && link.connection.subs.size > 0,
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

  #sendDown(link: WorldLink, bytes: Uint8Array, sub?: Sub): void {
    this.log(() => `server -> ${link.name}: ${text(bytes)}`);
    if (link.isDead) return;
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

  /** Cuts what is on its way wherever it likes. */
  async #bringDown(link: WorldLink): Promise<void> {
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
    const actor = { name, isReady, act, isExtra, haste: this.#choose(isExtra ? EXTRA_HASTES : HASTES) };
    this.actors.push(actor);
    return actor;
  }

  #populate(): void {
    const { plan, cluster } = this;
    // Somebody on each server who hears everything, and members of queue groups who never leave.
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
    let deaths = 0;
    const isDoomed = () => this.swapping !== undefined && this.swapping !== this.current && !this.hasLeft;
    this.#add(
      "death",
      () => deaths < plan.deaths && isDoomed(),
      async () => {
        if (this.pick(10) > 0) return;
        deaths++;
        const link = this.swapping as WorldLink;
        this.log(() => `${link.name} dies`);
        link.isDead = true;
        // Without a way back, the client hears that its connection broke.
        if (!this.relay.abandon(new Error("died"))) this.hasLeft = this.isCutOff = true;
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
      "moods",
      () => true,
      () => {
        const actor = this.#choose(this.actors);
        if (!actor.isExtra) actor.haste = this.#choose(HASTES);
      },
      true,
    ).haste = 10;
  }

  async startSwap(forbidden = ""): Promise<void> {
    const link = this.#openLink();
    link.forbidden = forbidden;
    this.log(() => `swap to ${link.name} on ${link.connection.server.name}`);
    link.isRefused = this.plan.deaths > 0 && this.pick(8) === 1;
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
        const isExpected = error.message === "died" || (link.isRefused && error.message.startsWith("-ERR"));
        if (!isExpected && !this.hasLeft) this.fault(`swap failed: ${error.stack}`);
        // What is on its way to the server when the client leaves still arrives.
        if (!this.hasLeft) link.isDead = true;
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

  /** All, the first frame, or what ends in the midst of one. */
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
    // Has been handed over, on a link that the client hears at once.
    const due: [string, WorldLink, string][] = [];
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
            isOpen && (!link.isDead || link === this.current) && !sub.got.some((got) => got.name === name)
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

  #hear(bytes: Uint8Array): void {
    if (this.hasLeft) return;
    for (const piece of pieces(bytes)) {
      this.log(() => `relay -> client: ${text(piece.bytes)}`);
      if (piece.verb === "PONG") this.#hearPong();
      else if (piece.verb === "INFO") this.#hearInfo();
      else if (piece.verb === "-ERR") this.#hearError(piece.words);
      else if (piece.verb === "MSG" || piece.verb === "HMSG")
        this.#hearMessage(piece.words[2] ?? "", piece.payload, piece.bytes);
      else this.fault(`the client heard ${piece.verb}`);
    }
  }

  #hearInfo(): void {
    if (this.infos++ > 0) return;
    this.send(bytesOf(`CONNECT {"echo":${this.plan.echo},"verbose":true}\r\n`));
    this.ping();
  }

  #hearError(words: readonly string[]): void {
    this.errors++;
    for (const sub of this.subs.values()) {
      if (words.includes(`"${sub.subject}"`) || words.includes(`"${sub.subject}"'`)) sub.state = "denied";
    }
  }

  #hearPong(): void {
    const ping = this.pings.shift();
    if (!ping) this.fault("a PONG without a PING");
    for (const missed of ping?.() ?? []) this.fault(`PONG before ${missed}`);
  }

  #hearMessage(sid: string, payload: Uint8Array, bytes: Uint8Array): void {
    const sub = this.subs.get(sid);
    const name = nameOf(payload);
    const message = this.messages.find((one) => one.name === name);
    if (!sub || !message) {
      this.fault(`the client heard of ${name} for ${sid}`);
      return;
    }
    if (!this.wants(message)) this.fault(`${name} came back for ${sid}`);
    if (!Buffer.from(message.frameFor(sid)).equals(bytes)) this.fault(`${name} came in other words`);
    if (sub.state !== "open" && sub.state !== "draining") return;
    if (sub.got.some((got) => got.name === name)) this.fault(`${name} came twice for ${sid}`);
    sub.got.push({ name, from: name.split(":")[0] ?? "", at: this.arrivals++ });
    if (sub.got.length >= sub.max) this.unsubscribe(sub, "full");
    // Clients answer in the middle of what they hear.
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
      const sum = ready.reduce((total, { haste }) => total + haste, 0);
      const at = this.pick(sum);
      let passed = 0;
      const actor = ready.find(({ haste }) => {
        passed += haste;
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

  /** Everybody but those takes turns, until nobody has anything to do or that has come about. */
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

const infoOf = ({ connection }: WorldLink) => bytesOf(`INFO {"server_id":"${connection.server.name}"}\r\n`);

const queueOf = (subject: string) => `q-${subject}`;

const text = (bytes: Uint8Array) => {
  const whole = Buffer.from(bytes).toString("latin1").replaceAll("\r\n", "~");
  return whole.length > 100 ? `${whole.slice(0, 90)}… (${bytes.length})` : whole;
};

const isSorted = (numbers: readonly number[]) =>
  numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0));

/** What must hold when everything has come to rest. */
function check(world: World): void {
  /** One of the client's subscriptions that could bring what it was handed. */
  const isHeard = (sub: Sub, sid: string) =>
    world.isMine(sub, sid) &&
    world.links.some(
      ({ connection, isDead, wasCurrent }) => connection === sub.connection && (wasCurrent || !isDead),
    );

  // Out.
  const processed = world.messages.filter(({ from }) => from.name === "client").map(({ name }) => name);
  if (world.isCutOff) {
    if (!world.published.join().startsWith(processed.join()))
      world.fault(`cut off, the client's messages: ${processed.join()}`);
    return;
  }
  if (processed.join() !== world.published.join())
    world.fault(`the client's messages: ${processed.join()} instead of ${world.published.join()}`);
  for (const observer of world.observed) {
    for (const from of ["client", "p1", "p2", "p3"]) {
      const seen = observer.heard.filter((name) => name.startsWith(`${from}:`));
      if (!isSorted(seen.map(seqOf))) world.fault(`${observer.name} heard ${seen.join()}`);
    }
    const own = observer.heard.filter((name) => name.startsWith("client:"));
    if (new Set(own).size !== world.published.length) world.fault(`${observer.name} heard ${own.join()}`);
  }
  if (world.hasLeft) return;

  // In.
  for (const sub of world.subs.values()) {
    const names = sub.got.map(({ name }) => name);
    const due = world.messages
      .filter((message) => world.wants(message))
      .filter((message) => message.seenBy.some((to) => isHeard(to, sub.sid)))
      .map(({ name }) => name);
    const handed = world.messages
      .filter((message) => message.handedTo.some((to) => isHeard(to, sub.sid)))
      .map(({ name }) => name);
    const missed = (list: readonly string[]) => list.filter((name) => !names.includes(name));
    const isLimited = sub.max < Infinity;
    if (sub.queue) {
      if (["open", "drained"].includes(sub.state) && missed(handed).length > 0)
        world.fault(`${sub.state} queue subscription ${sub.sid} missed ${missed(handed).join()}`);
    } else {
      for (const from of ["client", "p1", "p2", "p3"]) {
        const seen = sub.got.filter((got) => got.from === from).map(({ name }) => name);
        if (!isSorted(seen.map(seqOf))) world.fault(`${sub.sid} got ${seen.join()}`);
      }
      if (sub.state === "open" && missed(due).length > 0)
        world.fault(`${sub.sid} missed ${missed(due).join()}`);
      if (sub.state === "drained" && !isLimited && missed(sub.due).length > 0)
        world.fault(`drained ${sub.sid} missed ${missed(sub.due).join()}`);
      if (sub.state === "full" && sub.got.length !== sub.max && sub.got.length < sub.max)
        world.fault(`${sub.sid} is full with ${sub.got.length} of ${sub.max}`);
    }
  }
  // Each message of a queue group to one of it, unless all of the group had left.
  for (const message of world.messages) {
    const queues = new Set(message.seenBy.flatMap(({ queue }) => queue ?? []));
    for (const queue of queues) {
      const members = message.seenBy.filter((sub) => sub.queue === queue);
      const handed = message.handedTo.filter((sub) => sub.queue === queue);
      if (handed.length > 1) world.fault(`${message.name} went to ${handed.length} of ${queue}`);
      const stayed = members.some(
        ({ connection, sid }) =>
          connection.name !== "client" ||
          (world.wants(message) &&
            world.subs.get(sid)?.state === "open" &&
            world.subs.get(sid)?.max === Infinity),
      );
      if (handed.length === 0 && stayed && world.swapsFailed === 0)
        world.fault(`${message.name} went to none of ${queue}`);
    }
  }
  // The rest.
  if (world.pings.length > 0) world.fault(`${world.pings.length} PINGs without a PONG`);
  if (world.errors !== world.forbiddenSent)
    world.fault(`${world.errors} of ${world.forbiddenSent} refusals came`);
  if (world.denials.length !== world.forbiddenSent)
    world.fault(`${world.denials.length} of ${world.forbiddenSent} refusals were told`);
  if (world.swapping) world.fault("the swap does not end");
  if (world.released !== world.swapsDone) world.fault(`${world.released} links released`);
  // Servers repeat themselves after the first PING.
  if (world.infos !== 2 * (1 + world.swapsDone)) world.fault(`${world.infos} INFOs`);
  const open = [...world.subs.values()].filter(({ state }) => state === "open").map(({ sid }) => sid);
  const kept = [...world.current.connection.subs.keys()];
  if (open.sort().join() !== kept.sort().join())
    world.fault(`the server has ${kept.join()}, the client ${open.join()}`);
  for (const link of world.links) {
    if (!link.isDead && link.connection.pongs !== link.pingsSent)
      world.fault(`${link.name}: PINGs of the server`);
  }
}

const seqOf = (name: string) => Number(name.split(":")[1]);

const { integer, boolean, record, constant, array, nat } = fc;

/** What is done to the relay, with what `overrides` say. */
const plans = (overrides: Partial<Plan> = {}) =>
  record<Plan>({
    servers: constant(overrides.servers ?? 1),
    echo: overrides.echo === undefined ? boolean() : constant(overrides.echo),
    deaths: constant(overrides.deaths ?? 0),
    swaps: integer({ min: 1, max: overrides.swaps ?? 3 }),
    leaves: constant(overrides.leaves ?? false),
    forbids: constant(overrides.forbids ?? true),
    limits: constant(overrides.limits ?? true),
    script: array(nat(0xffff), { minLength: 200, maxLength: 1800, size: "max" }),
  });

async function judge(plan: Plan, isTraced = false): Promise<World> {
  const world = new World(plan, isTraced);
  try {
    await world.run();
    check(world);
  } catch (error) {
    world.fault(`${(error as Error).stack}`);
  }
  return world;
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

describe("a relay, whoever comes first,", () => {
  holds("loses and repeats nothing when connections are swapped", {});
  holds("swaps between the servers of a cluster", { servers: 3 });
  holds("goes on when the next connection dies before the cut, or is refused", { deaths: 2 });
  holds("sends all that the client sent when that leaves", { servers: 2, leaves: true });
});

/** A world in which nothing happens that is not told here, and somebody is subscribed. */
async function directed(overrides: Partial<Plan> = {}): Promise<World> {
  const plan = { servers: 1, echo: true, deaths: 0, swaps: 0, leaves: false, forbids: false, limits: false };
  const world = new World({ ...plan, ...overrides, script: [] }, true);
  await world.rest();
  return world;
}

async function swapTo(world: World, server: number, forbidden?: string): Promise<void> {
  world.luck = server;
  await world.startSwap(forbidden);
  world.luck = 0;
}

async function expectNoFaults(world: World): Promise<void> {
  await world.finish();
  world.ping();
  await world.finish();
  check(world);
  if (world.faults.length > 0) throw new Error(`${world.faults.join("\n")}\n\n${world.trace?.join("\n")}`);
}

describe("a relay", () => {
  test("keeps the order of what comes while a subscription is under way as a swap begins", async () => {
    const world = await directed();
    world.subscribe("alpha");
    await world.turn("wire");
    await swapTo(world, 0);
    await world.rest(["up A"]);
    world.publishers.get("p1")?.("alpha");
    await world.rest(["up A"]);
    await world.rest(["settle"]);
    world.publishers.get("p1")?.("alpha");
    await world.rest(["settle"]);
    await expectNoFaults(world);
  });

  test("tells once of a refusal that is under way as a swap begins", async () => {
    const world = await directed();
    world.luck = 1;
    world.forbidden();
    await world.turn("wire");
    await swapTo(world, 0);
    await world.rest(["up A"]);
    await expectNoFaults(world);
  });

  test("tells of a subject that only the new credential forbids", async () => {
    const world = await directed();
    world.subscribe("alpha");
    world.subscribe("beta", true);
    await world.rest();
    await swapTo(world, 0, "alpha");
    await world.rest();
    await swapTo(world, 0, "beta");
    await world.rest();
    expect(world.denials).toEqual([
      { type: "denied", operation: "subscription", subject: "alpha" },
      { type: "denied", operation: "subscription", subject: "beta", queue: queueOf("beta") },
    ]);
    world.forbiddenSent = 2;
    await expectNoFaults(world);
  });

  test("knows a repeat that the server hands out late and the network brings later still", async () => {
    const world = await directed();
    world.subscribe("alpha");
    await world.rest();
    await swapTo(world, 0);
    await world.rest(["settle"]);
    world.publishers.get("p1")?.("alpha");
    await world.turn("p1");
    // The observer has it, and the old connection.
    await world.turn("p1");
    await world.turn("p1");
    await world.rest(["p1"]);
    expect(world.current.name).toBe("B");
    await world.rest(["down B"]);
    await expectNoFaults(world);
  });

  test("brings what its two members of a queue group were handed before one of them drained", async () => {
    const world = await directed();
    const sub = world.subscribe("beta", true);
    await world.rest();
    await swapTo(world, 0);
    await world.rest(["settle"]);
    for (const member of [0, 1]) {
      world.luck = member;
      world.publishers.get("p1")?.("beta");
      await world.rest(["settle", "down A", "down B"]);
    }
    world.luck = 0;
    world.drain(sub);
    await world.rest(["settle", "down B"]);
    await expectNoFaults(world);
    expect(sub.got.length).toBe(2);
  });

  test("lets nothing overtake, on its way through a cluster, what was published before the cut", async () => {
    const world = await directed({ servers: 2 });
    await swapTo(world, 1);
    while (world.current.name === "A") {
      await world.rest(["settle"]);
      world.publish();
      await world.turn("wire");
      await world.turn("settle");
      await world.rest(["settle", "route s1-s2"]);
    }
    world.publish();
    await world.rest(["route s1-s2"]);
    await expectNoFaults(world);
  });

  test("brings the messages for several subscriptions in the order in which they were published", async () => {
    const world = await directed();
    const subs = [world.subscribe(">"), world.subscribe("alpha")];
    await world.rest();
    await swapTo(world, 0);
    await world.rest(["settle"]);
    await world.turn("settle");
    // The server has ended the first of the two on the old connection.
    await world.turn("up A");
    await world.turn("up A");
    for (let i = 0; i < 2; i++) {
      world.publishers.get("p1")?.("alpha");
      await world.rest(["up A", "settle"]);
    }
    await expectNoFaults(world);
    const got = subs.flatMap((sub) => sub.got).sort((one, other) => one.at - other.at);
    expect(got.map(({ name }) => name)).toEqual(["p1:1", "p1:1", "p1:2", "p1:2"]);
  });

  test("loses nothing that the next connection brought to a queue group before it died", async () => {
    const world = await directed({ deaths: 1 });
    const sub = world.subscribe("beta", true);
    await world.rest();
    await swapTo(world, 0);
    await world.rest(["settle"]);
    world.luck = 1;
    world.publishers.get("p1")?.("beta");
    await world.rest(["settle", "down B"]);
    world.luck = 0;
    await world.rest(["settle"]);
    await world.turn("death");
    await expectNoFaults(world);
    expect(sub.got.length).toBe(1);
  });

  test("answers the client's PING although the next connection died before it did", async () => {
    const world = await directed({ deaths: 1 });
    await swapTo(world, 0);
    await world.rest(["settle"]);
    world.ping();
    await world.rest(["settle", "up B"]);
    await world.turn("death");
    await expectNoFaults(world);
  });

  for (const echo of [true, false]) {
    test(`knows what goes round through a cluster when a swap begins, echo ${echo}`, async () => {
      const world = await directed({ servers: 2, echo });
      world.subscribe(">");
      await world.rest();
      world.publishers.get("p1")?.("alpha");
      world.publish();
      await world.rest(["route s1-s2"]);
      await swapTo(world, 1);
      await world.rest(["route s1-s2"]);
      await expectNoFaults(world);
    });
  }
});
