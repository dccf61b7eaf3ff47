import type { Credential } from "./credential.ts";
import { encode, type Frame, Splitter } from "./frames.ts";
import type { ConnectOptions } from "./relay.ts";

/** Milliseconds to get from a dial to the server's first word. */
const DIAL_PATIENCE = 5000;

/** One WebSocket to a nats-server, as frames. */
export class Link {
  /** What its owner does with what comes. */
  onFrames: (frames: Frame[]) => void = () => {};
  /** The connection is gone, not by `close`. */
  onGone: (reason: string) => void = () => {};
  /** What it was logged in with. */
  credential: Credential | undefined;
  /** `performance.now()` when the server was last heard. */
  heardAt = performance.now();
  readonly #socket: WebSocket;
  readonly #splitter = new Splitter();
  readonly #dialing = setTimeout(() => this.lose("the server does not answer"), DIAL_PATIENCE);

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#receive(new Uint8Array(data));
    this.#socket.onclose = ({ code, reason }) => {
      // Policy violation, RFC 6455 section 7.4.1: the server is through with this user.
      if (code === 1008) this.credential?.refuse();
      this.lose(reason || (code === 1006 ? "the connection broke" : `closed with ${code}`));
    };
  }

  /** Whether the browser has closed it, told or untold. */
  get isGone(): boolean {
    return this.#socket.readyState > WebSocket.OPEN;
  }

  send(bytes: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes as BufferSource);
  }

  /** Logs in: `info` is the server's first word, with the nonce to be signed. Does not wait for the answer. */
  async logIn(credential: Credential, options: ConnectOptions, info: Frame): Promise<void> {
    const signature = await credential.key.sign(encode(infoOf(info).nonce ?? ""));
    if (!credential.isUsable) throw new Error("the credential has ended");
    this.credential = credential;
    const sig = btoa(String.fromCharCode(...signature))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=/g, "");
    this.send(encode(`CONNECT ${JSON.stringify({ ...options, jwt: credential.answer.jwt, sig })}\r\n`));
  }

  /** Closes it, and tells the owner. */
  lose(reason: string): void {
    this.close();
    this.onGone(reason);
  }

  close(): void {
    clearTimeout(this.#dialing);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
  }

  #receive(bytes: Uint8Array): void {
    clearTimeout(this.#dialing);
    this.heardAt = performance.now();
    let frames: Frame[];
    try {
      frames = this.#splitter.push(bytes);
    } catch (error) {
      this.lose((error as Error).message);
      return;
    }
    for (const { verb, line } of frames) {
      if (verb === "-ERR" && /authenti|authoriz/i.test(line)) this.credential?.refuse();
    }
    if (frames.length > 0) this.onFrames(frames);
  }
}

interface Info {
  readonly nonce?: string;
  readonly server_id?: string;
}

/** What a server says of itself in INFO. */
export const infoOf = (frame: Frame): Info => JSON.parse(frame.line.slice("INFO ".length));
