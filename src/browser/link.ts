import type { Credential } from "./credential.ts";
import { encode, type Frame, makeSplitter } from "./frames.ts";
import type { ConnectOptions, Link, ServerInfo } from "./relay.ts";
import { isRefusal } from "./server-errors.ts";

/** One WebSocket to a nats-server. */
export interface ServerLink extends Link {
  /** What it was logged in with. */
  readonly credential: Credential | undefined;
  /** `performance.now()` when the server was last heard. */
  readonly heardAt: number;
  /** Closes it, as if it had broken. */
  lose(reason: string): void;
}

/**
 * @param getCredential  called for what to log in with
 * @param onFrames  takes what comes
 * @param onGone  told when the connection is gone, not by `close`
 */
export function openLink(
  url: string,
  getCredential: () => Promise<Credential>,
  onFrames: (frames: Frame[]) => void,
  onGone: (reason: string) => void,
): ServerLink {
  const split = makeSplitter();
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    link.heardAt = performance.now();
    const frames = split(new Uint8Array(data));
    for (const { line } of frames) if (link.credential && isRefusal(line)) link.credential.refusal = line;
    onFrames(frames);
  };
  // An error comes before the close, and without one where the page's own policy forbids the connection.
  socket.onclose = socket.onerror = (event: Event) =>
    link.lose((event as CloseEvent).reason || "connection lost");

  const link = {
    credential: undefined as Credential | undefined,
    heardAt: performance.now(),

    send(bytes: Uint8Array) {
      socket.send(bytes as BufferSource);
    },

    async logIn(options: ConnectOptions, { nonce = "" }: ServerInfo) {
      try {
        const credential = await getCredential();
        // The server takes both base64 alphabets (`server/auth.go`).
        const sig = btoa(String.fromCharCode(...(await credential.key.sign(encode(nonce)))));
        link.credential = credential;
        link.send(encode(`CONNECT ${JSON.stringify({ ...options, jwt: credential.answer.jwt, sig })}\r\n`));
      } catch (error) {
        link.lose((error as Error).message);
      }
    },

    lose(reason: string) {
      link.close();
      onGone(reason);
    },

    close() {
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    },
  };
  return link;
}
