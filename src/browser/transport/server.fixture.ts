/**
 * A model of nats-server, alone or in a cluster, in which every interleaving is possible: the test decides which connection,
 * publisher or route does its next step. Source: `server/client.go` and `server/route.go`, v2.15.3.
 */

/** One frame, found by other code than the code under test. */
export interface Piece {
  readonly verb: string;
  readonly words: readonly string[];
  readonly payload: Uint8Array;
  readonly bytes: Uint8Array;
}

const SIZED = new Set(["MSG", "HMSG", "PUB", "HPUB"]);

/** Cuts bytes into frames; fails if the last one is incomplete. */
export function pieces(bytes: Uint8Array): Piece[] {
  const found: Piece[] = [];
  let start = 0;
  while (start < bytes.length) {
    let end = start;
    while (!(bytes[end] === 13 && bytes[end + 1] === 10)) {
      if (end++ > bytes.length) throw new Error("a frame without its end");
    }
    const words = new TextDecoder().decode(bytes.subarray(start, end)).split(/[ \t]+/);
    const [verb = ""] = words;
    let payload = new Uint8Array(0) as Uint8Array;
    end += 2;
    if (SIZED.has(verb)) {
      const size = Number(words.at(-1));
      payload = bytes.subarray(end, end + size);
      end += size + 2;
      if (end > bytes.length || bytes[end - 2] !== 13 || bytes[end - 1] !== 10)
        throw new Error("a payload that ends elsewhere");
    }
    found.push({ verb, words, payload, bytes: bytes.subarray(start, end) });
    start = end;
  }
  return found;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A message as it was published. Its payload starts with its name and a semicolon. */
export class Message {
  readonly from: Connection;
  readonly subject: string;
  readonly reply: string;
  /** How many bytes of the payload are headers; 0 without. */
  readonly headerSize: number;
  readonly payload: Uint8Array;
  /** The subscriptions that the publisher's server knew when it routed the message. */
  seenBy: readonly Sub[] = [];
  readonly handedTo: Sub[] = [];
  /** It has been delivered to all. */
  isDone = false;

  constructor(from: Connection, { verb, words, payload }: Piece) {
    const isHeadered = verb === "HPUB";
    const sizes = isHeadered ? 2 : 1;
    this.from = from;
    this.subject = words[1] ?? "";
    this.reply = words.length > 2 + sizes ? (words[2] ?? "") : "";
    this.headerSize = isHeadered ? Number(words.at(-2)) : 0;
    this.payload = payload;
  }

  get name(): string {
    return nameOf(this.payload);
  }

  frameFor(sid: string): Uint8Array {
    const reply = this.reply && ` ${this.reply}`;
    const sizes = `${this.headerSize ? `${this.headerSize} ` : ""}${this.payload.length}`;
    const verb = this.headerSize ? "HMSG" : "MSG";
    return Buffer.concat([
      bytesOf(`${verb} ${this.subject} ${sid}${reply} ${sizes}\r\n`),
      this.payload,
      bytesOf("\r\n"),
    ]);
  }
}

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

export function nameOf(payload: Uint8Array): string {
  const text = latin1(payload.subarray(0, 200));
  const body = text.startsWith("NATS/1.0") ? text.slice(text.indexOf("\r\n\r\n") + 4) : text;
  return body.slice(0, body.indexOf(";"));
}

export class Sub {
  readonly connection: Connection;
  readonly sid: string;
  readonly subject: string;
  readonly queue: string | undefined;
  max = Infinity;
  handed = 0;
  isClosed = false;

  constructor(connection: Connection, sid: string, subject: string, queue: string | undefined) {
    this.connection = connection;
    this.sid = sid;
    this.subject = subject;
    this.queue = queue;
  }

  matches(subject: string): boolean {
    return this.subject === subject || this.subject === ">";
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.connection.subs.delete(this.sid);
    this.connection.server.forget(this);
  }
}

/** Something on its way through the servers. */
interface Flight {
  stops: number;
  readonly land: () => void;
}

interface Routing {
  readonly flight: Flight;
  /** Called one at each step. */
  readonly steps: (() => void)[];
}

type Choose = (count: number) => number;

export class Cluster {
  readonly servers: Server[];
  readonly choose: Choose;
  readonly #flights = new Set<Flight>();

  /** `choose` makes the random choices of the servers. */
  constructor(size: number, choose: Choose) {
    this.choose = choose;
    this.servers = Array.from({ length: size }, (_, i) => new Server(this, `s${i + 1}`));
    for (const server of this.servers) server.join(this.servers);
  }

  get routes(): Route[] {
    return this.servers.flatMap((server) => [...server.routes.values()]);
  }

  launch(land: () => void = () => {}): Flight {
    const flight = { stops: 1, land };
    this.#flights.add(flight);
    return flight;
  }

  land(flight: Flight): void {
    if (--flight.stops > 0) return;
    this.#flights.delete(flight);
    flight.land();
  }

  /**
   * Returns a function that tells whether all that is on its way now has arrived. With several servers: also what was sent
   * before all of them knew the present subscriptions.
   */
  watchFlights(): () => boolean {
    let rounds = this.servers.length > 1 ? 2 : 1;
    let flights = [...this.#flights];
    return () => {
      while (rounds > 0 && flights.every((flight) => flight.stops === 0)) {
        rounds--;
        flights = [...this.#flights];
      }
      return rounds === 0;
    };
  }
}

export class Server {
  readonly name: string;
  readonly cluster: Cluster;
  /** The routes from this server to the others. */
  readonly routes = new Map<Server, Route>();
  /** The subscriptions of this server, and those that the others have announced. */
  readonly #local = new Set<Sub>();
  readonly #remote = new Map<Server, Set<Sub>>();

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster;
    this.name = name;
  }

  join(servers: readonly Server[]): void {
    for (const server of servers) {
      if (server === this) continue;
      this.routes.set(server, new Route(this, server));
      this.#remote.set(server, new Set());
    }
  }

  keep(sub: Sub): void {
    this.#local.add(sub);
    for (const route of this.routes.values()) route.tell(() => route.to.#remote.get(this)?.add(sub));
  }

  forget(sub: Sub): void {
    this.#local.delete(sub);
    for (const route of this.routes.values()) route.tell(() => route.to.#remote.get(this)?.delete(sub));
  }

  /** A message of one of the own connections. */
  route(message: Message): Routing {
    const flight = this.cluster.launch(() => {
      message.isDone = true;
    });
    const known = [this.#local, ...this.#remote.values()].flatMap((subs) => [...subs]);
    message.seenBy = known.filter((sub) => sub.matches(message.subject));
    const queues = new Set(message.seenBy.flatMap(({ queue }) => queue ?? []));
    return { flight, steps: this.#steps(message, flight, queues, undefined) };
  }

  /** A message that came from another server. */
  reroute(message: Message, flight: Flight, isPlain: boolean, queues: Set<string>, from: Server): Routing {
    return { flight, steps: this.#steps(message, flight, queues, from, isPlain) };
  }

  #steps(
    message: Message,
    flight: Flight,
    queues: Set<string>,
    from: Server | undefined,
    isPlain = true,
  ): (() => void)[] {
    const matching = [...this.#local].filter((sub) => sub.matches(message.subject));
    const steps: (() => void)[] = [];
    const targets = new Map<Server, { isPlain: boolean; queues: Set<string> }>();
    const target = (server: Server) => {
      const known = targets.get(server) ?? { isPlain: false, queues: new Set<string>() };
      targets.set(server, known);
      return known;
    };
    if (isPlain) {
      const plain = matching.filter(({ queue }) => !queue);
      while (plain.length > 0) {
        const [sub] = plain.splice(this.cluster.choose(plain.length), 1);
        steps.push(() => sub && this.#hand(message, sub));
      }
      if (!from) {
        for (const [server, subs] of this.#remote) {
          if ([...subs].some((sub) => !sub.queue && sub.matches(message.subject)))
            target(server).isPlain = true;
        }
      }
    }
    for (const queue of queues) {
      const isMember = (sub: Sub) => sub.queue === queue && sub.matches(message.subject);
      const own = matching.filter(isMember);
      const others = [...this.#remote].flatMap(([server, subs]) =>
        [...subs].filter(isMember).map(() => server),
      );
      steps.push(() => {
        const server = this.#choose(message, own, others, from !== undefined);
        if (server) target(server).queues.add(queue);
      });
    }
    for (const [server, route] of this.routes) {
      steps.push(() => {
        const at = targets.get(server);
        if (at) route.send(message, flight, at.isPlain, at.queues);
      });
    }
    return steps;
  }

  /** Delivers to a member of a queue group, or returns the server that has to. */
  #choose(
    message: Message,
    own: readonly Sub[],
    others: readonly Server[],
    preferOwn: boolean,
  ): Server | undefined {
    const candidates = preferOwn ? own : [...own, ...others];
    const start = candidates.length > 0 ? this.cluster.choose(candidates.length) : 0;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[(start + i) % candidates.length];
      if (candidate instanceof Server) return candidate;
      if (candidate && this.#hand(message, candidate)) return undefined;
    }
    return others[0];
  }

  #hand(message: Message, sub: Sub): boolean {
    const { connection } = sub;
    if (connection === message.from && !connection.echo) return false;
    if (sub.isClosed) return false;
    sub.handed++;
    if (sub.handed >= sub.max) sub.close();
    if (sub.handed > sub.max) return false;
    message.handedTo.push(sub);
    connection.out(message.frameFor(sub.sid), sub);
    return true;
  }
}

/** One direction between two servers: subscriptions and messages, in order. */
export class Route {
  readonly from: Server;
  readonly to: Server;
  readonly #waiting: Routing[] = [];
  readonly #lazy: (() => Routing)[] = [];

  constructor(from: Server, to: Server) {
    this.from = from;
    this.to = to;
  }

  get isIdle(): boolean {
    return this.#waiting.length + this.#lazy.length === 0;
  }

  tell(step: () => void): void {
    const flight = this.from.cluster.launch();
    this.#lazy.push(() => ({ flight, steps: [step] }));
  }

  send(message: Message, flight: Flight, isPlain: boolean, queues: Set<string>): void {
    flight.stops++;
    this.#lazy.push(() => this.to.reroute(message, flight, isPlain, queues, this.from));
  }

  step(): void {
    if (this.#waiting.length === 0) {
      const next = this.#lazy.shift();
      if (next) this.#waiting.push(next());
    }
    const [routing] = this.#waiting;
    if (!routing) return;
    routing.steps.shift()?.();
    if (routing.steps.length > 0) return;
    this.#waiting.shift();
    this.to.cluster.land(routing.flight);
  }
}

export interface ConnectionOptions {
  readonly echo?: boolean;
  readonly mustLogIn?: boolean;
  readonly mayLogIn?: () => boolean;
  /** What the server sends after the first PONG. */
  readonly greet?: () => Uint8Array;
  readonly mayPublish?: (subject: string) => boolean;
  readonly maySubscribe?: (subject: string) => boolean;
  /** What the server sends; with the subscription, when it is a message. */
  readonly out?: (bytes: Uint8Array, sub?: Sub) => void;
  /** A PUB was accepted. */
  readonly published?: (message: Message) => void;
}

/** The server's side of one connection. */
export class Connection {
  readonly name: string;
  readonly server: Server;
  readonly echo: boolean;
  readonly out: (bytes: Uint8Array, sub?: Sub) => void;
  readonly subs = new Map<string, Sub>();
  /** The number of PONGs that were received. */
  pongs = 0;
  /** Before CONNECT, any other command ends the connection. */
  isLoggedIn: boolean;
  isClosed = false;
  #isGreeted = false;
  readonly #options: ConnectionOptions;
  #commands: Piece[] = [];
  #routing: Routing | undefined;

  constructor(server: Server, name: string, options: ConnectionOptions = {}) {
    this.server = server;
    this.name = name;
    this.echo = options.echo ?? true;
    this.out = options.out ?? (() => {});
    this.isLoggedIn = !options.mustLogIn;
    this.#options = options;
  }

  /** Receives bytes from the network. */
  take(bytes: Uint8Array): void {
    if (!this.isClosed) this.#commands.push(...pieces(bytes));
  }

  get isIdle(): boolean {
    return !this.#routing && this.#commands.length === 0;
  }

  /** Describes the next step. */
  get next(): string {
    if (this.#routing) return "delivers";
    return this.#commands[0]?.words.join(" ") ?? "";
  }

  step(): void {
    const routing = this.#routing;
    if (!routing) {
      const command = this.#commands.shift();
      if (command) this.#process(command);
      return;
    }
    routing.steps.shift()?.();
    if (routing.steps.length > 0) return;
    this.#routing = undefined;
    this.server.cluster.land(routing.flight);
  }

  /** Ends the connection. What is being delivered is still delivered. */
  close(): void {
    this.isClosed = true;
    this.#commands = [];
    for (const sub of [...this.subs.values()]) sub.close();
  }

  #process(command: Piece): void {
    const { verb, words } = command;
    if (verb === "CONNECT") this.isLoggedIn = this.#options.mayLogIn?.() ?? true;
    if (verb === "CONNECT" && this.isLoggedIn) return;
    if (!this.isLoggedIn) {
      this.out(bytesOf("-ERR 'Authorization Violation'\r\n"));
      this.close();
    } else if (verb === "PING") this.#pong();
    else if (verb === "PONG") this.pongs++;
    else if (verb === "SUB") this.#subscribe(words);
    else if (verb === "UNSUB") this.#unsubscribe(words);
    else if (verb === "PUB" || verb === "HPUB") this.#publish(command);
    else throw new Error(`${verb} is no command`);
  }

  #pong(): void {
    this.out(bytesOf("PONG\r\n"));
    if (this.#options.greet && !this.#isGreeted) this.out(this.#options.greet());
    this.#isGreeted = true;
  }

  #subscribe(words: readonly string[]): void {
    const [, subject = ""] = words;
    const queue = words.length > 3 ? words[2] : undefined;
    const sid = words.at(-1) ?? "";
    if (this.#options.maySubscribe?.(subject) === false) {
      const using = queue ? ` using queue "${queue}"` : "";
      this.out(bytesOf(`-ERR 'Permissions Violation for Subscription to "${subject}"${using}'\r\n`));
      return;
    }
    if (this.subs.has(sid)) return;
    const sub = new Sub(this, sid, subject, queue);
    this.subs.set(sid, sub);
    this.server.keep(sub);
  }

  #unsubscribe([, sid = "", max]: readonly string[]): void {
    const sub = this.subs.get(sid);
    if (!sub) return;
    if (Number(max) > sub.handed) sub.max = Number(max);
    else sub.close();
  }

  #publish(command: Piece): void {
    const message = new Message(this, command);
    if (this.#options.mayPublish?.(message.subject) === false) {
      this.out(bytesOf(`-ERR 'Permissions Violation for Publish to "${message.subject}"'\r\n`));
      return;
    }
    this.#options.published?.(message);
    const routing = this.server.route(message);
    if (routing.steps.length > 0) this.#routing = routing;
    else this.server.cluster.land(routing.flight);
  }
}
