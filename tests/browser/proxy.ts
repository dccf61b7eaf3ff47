import { connect, createServer, type Server, type Socket } from "node:net";
import { decode } from "../recipe/recipe.ts";
import { unmask } from "./websocket.ts";

/** A proxy before a server's WebSocket port. It can delay, drop and break connections, and records what clients send. */

/** A CONNECT, as a client sent it. */
export interface Login {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly options: Record<string, unknown>;
  /** The `exp` of the JWT: seconds since the epoch. */
  readonly exp: number | undefined;
}

export interface ProxyOptions {
  /** Milliseconds by which all data is delayed, in each direction. */
  readonly delay?: number;
  /** Ports to connect to, in turn. */
  readonly targets: readonly number[];
}

export type Proxy = Awaited<ReturnType<typeof makeProxy>>;

export async function makeProxy({ delay = 0, targets }: ProxyOptions) {
  const all: Line[] = [];
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of waiting) look();
  };
  let isRefusing = false;
  let isCuttingLogin = false;

  const server = createServer({ noDelay: true }, (client) => {
    if (isRefusing) return void client.destroy();
    const target = targets[all.length % targets.length] as number;
    const server = connect({ port: target, host: "127.0.0.1", noDelay: true });
    const line = new Line(client, server, delay, changed, () => {
      if (isCuttingLogin) line.destroy();
      isCuttingLogin = false;
    });
    all.push(line);
    changed();
  });
  const port = await listen(server);

  return {
    url: `ws://localhost:${port}`,
    port,

    /** Every connection so far, and those that are open now. */
    lines: () => all,
    open: () => all.filter((line) => line.isOpen),

    /** Every CONNECT so far. */
    logins: (): Login[] => all.flatMap((line) => line.login ?? []),

    /** All that clients have sent, unmasked. */
    sent: () => all.map((line) => unmask(line.sent)).join("\n"),

    /** From now on all data of the open connections is dropped, in both directions; they stay open. */
    dropTraffic(): void {
      for (const line of all) line.isDropping = true;
    },

    /** Breaks every open connection. */
    cut(): void {
      for (const line of all) line.destroy();
    },

    /** Whether new connections are closed at once. */
    refuse(value: boolean): void {
      isRefusing = value;
    },

    /** Breaks the next connection that sends its CONNECT. */
    cutNextLogin(): void {
      isCuttingLogin = true;
    },

    /** Resolves when the condition is true. It is checked when a connection opens, closes or sends data. */
    until(condition: () => boolean): Promise<void> {
      return new Promise((resolve) => {
        const look = () => {
          if (!condition()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },

    async [Symbol.asyncDispose](): Promise<void> {
      for (const line of all) line.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One client's connection and the one to the server behind it. */
class Line {
  isDropping = false;
  isOpen = true;
  login: Login | undefined;
  readonly #sent: Buffer[] = [];
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #changed: () => void;
  readonly #loggedIn: () => void;

  constructor(client: Socket, server: Socket, delay: number, changed: () => void, loggedIn: () => void) {
    this.#client = client;
    this.#server = server;
    this.#changed = changed;
    this.#loggedIn = loggedIn;
    const toServer = later(delay, server, this);
    const toClient = later(delay, client, this);
    client.on("data", (data: Buffer) => {
      this.#receive(data);
      toServer(data);
    });
    server.on("data", toClient);
    client.on("close", () => this.#closed(toServer));
    server.on("close", () => this.#closed(toClient));
    for (const socket of [client, server]) socket.on("error", () => {});
  }

  /** The bytes that the client sent. */
  get sent(): Buffer {
    return Buffer.concat(this.#sent);
  }

  destroy(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #closed(pass: (end: undefined) => void): void {
    this.isOpen = false;
    pass(undefined);
    this.#changed();
  }

  #receive(data: Buffer): void {
    this.#sent.push(data);
    if (!this.login) {
      const text = /CONNECT (\{.*?\})\r\n/.exec(unmask(this.sent))?.[1];
      if (text) {
        const options = JSON.parse(text) as Record<string, unknown>;
        const { exp } = decode<{ exp?: number }>(String(options.jwt));
        this.login = { at: Date.now(), options, exp };
        this.#loggedIn();
      }
    }
    this.#changed();
  }
}

/** Returns a function that writes to a socket after a delay; `undefined` ends the socket. */
function later(delay: number, to: Socket, line: { isDropping: boolean }): (data: Buffer | undefined) => void {
  const queue: { due: number; data: Buffer | undefined }[] = [];
  let isWaiting = false;
  const write = (data: Buffer | undefined) => {
    if (line.isDropping) return;
    if (data === undefined) to.end();
    else if (!to.destroyed) to.write(data);
  };
  const work = () => {
    isWaiting = false;
    const now = performance.now();
    while (queue[0] && queue[0].due <= now) write(queue.shift()?.data);
    if (!queue[0]) return;
    isWaiting = true;
    setTimeout(work, queue[0].due - now);
  };
  return (data) => {
    if (delay === 0) return write(data);
    queue.push({ due: performance.now() + delay, data });
    if (!isWaiting) work();
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    // By name: a browser may resolve `localhost` to IPv4 or to IPv6.
    server.listen(0, "localhost", () => resolve((server.address() as { port: number }).port));
  });
}
