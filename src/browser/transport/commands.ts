import { type ConnectOptions, encodeLine, type ServerInfo } from "./frames.ts";

/** A connection to a server, and what the relay sends on it besides the client's frames. */
export interface Link {
  /**
   * What to do at each PONG that is due, in their order. A server responds to the PINGs of one connection in their
   * order, and to each after everything that was sent before it.
   */
  readonly pongs: (() => void)[];
  send(bytes: Uint8Array): void;
  /** Sends CONNECT with these options, a credential and the signed nonce. Resolves when it has been sent. */
  logIn(options: ConnectOptions, info: ServerInfo): Promise<void>;
  close(): void;
}

export const sendLine = (to: Link, line: string) => to.send(encodeLine(line));

/**
 * Sends a PING. Resolves when its PONG has arrived; before that, `onPong` is called while the PONG is read, so that it runs
 * between the frames before the PONG and those after it.
 */
export function ping(link: Link, onPong?: () => void): Promise<void> {
  sendLine(link, "PING");
  return new Promise((resolve) => {
    link.pongs.push(() => {
      onPong?.();
      resolve();
    });
  });
}
