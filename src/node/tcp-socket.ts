import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { PlainWebSocket } from "../browser/transport/link.ts";
import { writeTogether } from "./write-together.ts";

type Pem = string | Uint8Array;

/** The part of the options of `tls.connect` that concerns a NATS server. */
export interface TlsOptions {
  /** Certificates of authorities that are trusted, instead of those that the runtime knows. */
  readonly ca?: Pem | Pem[];
  /** The client's certificate and its key, if the server requires one. */
  readonly cert?: Pem | Pem[];
  readonly key?: Pem | Pem[];
  readonly passphrase?: string;
  /** The name that the server's certificate must have; the host of the URL by default. */
  readonly servername?: string;
  /** Whether TLS begins before the server's INFO: `handshake_first` in the server's configuration. */
  readonly handshakeFirst?: boolean;
}

const LINE_FEED = 10;
const DEFAULT_PORT = 4222;

/**
 * Opens a TCP connection to a NATS server (`nats://` or `tls://`), in the shape of a WebSocket that delivers bytes as they
 * come. TLS begins after the server's INFO if the server requires it, or if the URL or `tls` asks for it; INFO is delivered
 * after that, so that nothing is sent in the clear.
 */
export function openTcpSocket(url: string, tls?: TlsOptions): PlainWebSocket {
  /** Milliseconds that the server has to close its side of a connection that was closed here. */
  const CLOSE_TIMEOUT = 2000;

  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const to = { host, port: Number(port) || DEFAULT_PORT };
  const isWanted = protocol === "tls:" || tls !== undefined;
  const { handshakeFirst = false, ...given } = tls ?? {};
  // Without the undefined values that the types of `tls.connect` don't accept.
  const secure: ConnectionOptions = Object.fromEntries(Object.entries(given));
  let stream: Socket;
  let reason = "";

  const socket: PlainWebSocket = {
    binaryType: "arraybuffer",
    onmessage: null,
    onclose: null,
    onerror: null,
    send(data) {
      writeTogether(stream, data as Uint8Array);
    },
    close() {
      // Not at once: what was sent has to arrive, and what the server still sends must not reset the connection.
      const timer = setTimeout(() => stream.destroy(), CLOSE_TIMEOUT);
      stream.once("close", () => clearTimeout(timer));
      stream.end().resume();
      if (stream.connecting) stream.destroy();
    },
  };

  function use(opened: Socket): Socket {
    stream = opened;
    stream.setNoDelay(true);
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // An error of several addresses has no message.
      reason = error.message || error.code || "";
    });
    return stream.on("close", () => socket.onclose?.({ reason }));
  }

  function fail(why: string) {
    reason = why;
    stream.destroy();
  }

  const deliver = (bytes: Uint8Array) => socket.onmessage?.({ data: bytes });

  function startTls(info: Uint8Array) {
    const plain = stream;
    plain.removeAllListeners();
    use(connectTls({ ...secure, host, socket: plain }))
      .once("secureConnect", () => deliver(info))
      .on("data", deliver);
  }

  function awaitInfo() {
    let head = Buffer.alloc(0);
    use(connectTcp(to)).on("data", function read(bytes: Buffer) {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf(LINE_FEED);
      if (end < 0) return;
      stream.off("data", read);
      const { tls_required: isRequired, tls_available: isAvailable } = parseInfo(head.subarray(0, end));
      if (!isRequired && !isWanted) {
        stream.on("data", deliver);
        deliver(head);
      } else if (!isRequired && !isAvailable) {
        fail(`no TLS at ${url}: use nats:// without the option tls if the network is trusted`);
      } else if (head.length > end + 1) {
        // It would be taken for what comes over TLS.
        fail(`more than INFO before TLS at ${url}`);
      } else startTls(head);
    });
  }

  if (handshakeFirst) use(connectTls({ ...secure, ...to })).on("data", deliver);
  else awaitInfo();
  return socket;
}

/** The fields of an INFO line; none if it is not INFO: the relay then finds that. */
function parseInfo(line: Uint8Array): { tls_required?: boolean; tls_available?: boolean } {
  try {
    return JSON.parse(new TextDecoder().decode(line).replace(/^INFO/, "")) ?? {};
  } catch {
    return {};
  }
}
