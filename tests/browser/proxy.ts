import { connect, createServer, type Server, type Socket } from "node:net";
import { decode } from "../recipe/recipe.ts";
import { unmask } from "./websocket.ts";

/**
 * Stands in front of a server's WebSocket port: slow if wanted, deaf or broken on demand, and with a memory of what
 * each client has said.
 */

/** A CONNECT, as a client sent it. */
export interface Login {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly options: Record<string, unknown>;
  /** Seconds since the epoch at which the presented JWT ends. */
  readonly exp: number | undefined;
}

export interface ProxyOptions {
  /** Milliseconds that everything takes, each way. */
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

    /** All that clients have said, unmasked. */
    said: () => all.map((line) => unmask(line.said)).join("\n"),

    /** From now on what goes over the open connections, either way, is lost; they stay open. */
    goDeaf(): void {
      for (const line of all) line.isDeaf = true;
    },

    /** Breaks every open connection. */
    cut(): void {
      for (const line of all) line.destroy();
    },

    /** Whether new connections are broken at once. */
    refuse(value: boolean): void {
      isRefusing = value;
    },

    /** Breaks the next connection when it sends its CONNECT. */
    cutNextLogin(): void {
      isCuttingLogin = true;
    },

    /** Resolves once this is true; looks whenever a connection opens, closes or says something. */
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
  isDeaf = false;
  isOpen = true;
  login: Login | undefined;
  readonly #said: Buffer[] = [];
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
      this.#hear(data);
      toServer(data);
    });
    server.on("data", toClient);
    client.on("close", () => this.#closed(toServer));
    server.on("close", () => this.#closed(toClient));
    for (const socket of [client, server]) socket.on("error", () => {});
  }

  /** What the client sent, as it came. */
  get said(): Buffer {
    return Buffer.concat(this.#said);
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

  #hear(data: Buffer): void {
    this.#said.push(data);
    if (!this.login) {
      const text = /CONNECT (\{.*?\})\r\n/.exec(unmask(this.said))?.[1];
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

/** Writes to a socket, each time after the same while; nothing ends it. */
function later(delay: number, to: Socket, line: { isDeaf: boolean }): (data: Buffer | undefined) => void {
  const queue: { due: number; data: Buffer | undefined }[] = [];
  let isWaiting = false;
  const write = (data: Buffer | undefined) => {
    if (line.isDeaf) return;
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
    // As `localhost`, which a browser may look up as either.
    server.listen(0, "localhost", () => resolve((server.address() as { port: number }).port));
  });
}
