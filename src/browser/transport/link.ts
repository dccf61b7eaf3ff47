import type { Credential } from "../credential/credential.ts";
import type { Link } from "./commands.ts";
import { binaryText, encode, encodeLine, type Frame, makeSplitter } from "./frames.ts";
import { isRefusal } from "./server-errors.ts";

/** The part of a WebSocket that is used. The handlers get the events of a WebSocket. */
export interface PlainWebSocket {
  binaryType: string;
  // biome-ignore lint/suspicious/noExplicitAny: the event types of implementations differ
  onmessage: ((event: any) => void) | null;
  // biome-ignore lint/suspicious/noExplicitAny: the event types of implementations differ
  onclose: ((event: any) => void) | null;
  // biome-ignore lint/suspicious/noExplicitAny: the event types of implementations differ
  onerror: ((event: any) => void) | null;
  send(data: ArrayBuffer | Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** One WebSocket to a nats-server. */
export interface ServerLink extends Link {
  /** The credential that it was logged in with; undefined before the login. */
  credential?: Credential;
  /** `performance.now()` when something last arrived from the server. */
  heardAt: number;
  /** Closes it, as if the connection had broken. */
  lose(reason: string): void;
}

/**
 * Uses a WebSocket that has just been made.
 * @param getCredential  called at the login; if it rejects, the connection is lost with the message
 * @param onFrames  takes the frames that arrive
 * @param onLost  called when the connection has ended otherwise than by `close`
 */
export function openLink(
  socket: PlainWebSocket,
  getCredential: () => Promise<Credential>,
  onFrames: (frames: Frame[]) => void,
  onLost: (reason: string) => void,
): ServerLink {
  const split = makeSplitter();
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    link.heardAt = performance.now();
    const frames = split(new Uint8Array(data));
    for (const { line } of frames) if (link.credential && isRefusal(line)) link.credential.refusal = line;
    try {
      onFrames(frames);
    } catch (error) {
      // What cannot be read, such as an INFO that is not JSON. Thrown on, it would end a program on Node.
      link.lose((error as Error).message);
    }
  };
  // Usually an error event and then a close event. Where a Content-Security-Policy forbids the connection, there is no
  // close event.
  socket.onclose = socket.onerror = (event: { reason?: string }) =>
    link.lose(event.reason || "connection lost");

  const link: ServerLink = {
    heardAt: performance.now(),
    pongs: [],

    send(bytes) {
      socket.send(bytes as Uint8Array<ArrayBuffer>);
    },

    async logIn(options, info) {
      try {
        const credential = await getCredential();
        // Without a nonce, the empty text is signed. The server accepts both base64 alphabets: `server/auth.go`.
        const sig = btoa(binaryText(await credential.key.sign(encode(info.nonce))));
        link.credential = credential;
        link.send(encodeLine(`CONNECT ${JSON.stringify({ ...options, jwt: credential.response.jwt, sig })}`));
      } catch (error) {
        link.lose((error as Error).message);
      }
    },

    lose(reason) {
      link.close();
      onLost(reason);
    },

    close() {
      // Not null: the package `ws` throws an error event for which there is no handler.
      socket.onmessage = socket.onclose = socket.onerror = () => {};
      socket.close();
    },
  };
  return link;
}
