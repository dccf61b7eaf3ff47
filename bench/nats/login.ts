import { sign } from "node:crypto";
import { privateKeyOf } from "../../src/core/keys/ed25519.ts";
import { decodeSeed, Prefix } from "../../src/core/keys/nkey.ts";
import type { Transport } from "./server.ts";
import type { User } from "./users.ts";

/**
 * One login with little work for the client, so that the server is measured: the server's INFO, CONNECT with a signature
 * of its nonce, PING, and the PONG that confirms the login.
 */

/** A client that can log in repeatedly. */
export interface Client {
  /** What it sends after CONNECT, up to and with PING. */
  readonly greeting: string;
  connect(nonce: string): string;
}

/** @param isPage  whether it subscribes to its own subjects and its inbox at login, as a page does */
export function makeClient({ name, jwt, seed }: User, isPage = false): Client {
  const key = privateKeyOf(decodeSeed(Prefix.user, seed) ?? new Uint8Array());
  return {
    greeting: isPage ? `SUB users.${name}.> 1\r\nSUB _INBOX_${name}.> 2\r\nPING\r\n` : "PING\r\n",
    connect(nonce) {
      const sig = sign(null, Buffer.from(nonce), key).toString("base64url");
      return `CONNECT ${JSON.stringify({ ...CONNECT_OPTIONS, jwt, sig })}\r\n`;
    },
  };
}

/** The same as those of usual clients. */
const CONNECT_OPTIONS = {
  protocol: 1,
  version: "1.30.3",
  lang: "nats.ws",
  verbose: false,
  pedantic: false,
  headers: true,
  no_responders: true,
};

/** Connected and logged in. */
export interface Connection {
  close(): void;
}

/** @throws when the server refuses */
export function logIn(
  { connect, greeting }: Client,
  transport: Transport,
  port: number,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const write = transport === "WebSocket" ? frame : Buffer.from;
  let received = "";
  let isSent = false;
  // The protocol is searched for texts, not parsed: frame headers are before and after these texts, never within.
  const onData = (socket: Bun.Socket, chunk: Buffer) => {
    received += chunk.toString("latin1");
    const nonce = !isSent && /"nonce":"([^"]+)".*\r\n/.exec(received)?.[1];
    if (nonce) {
      isSent = true;
      received = "";
      socket.write(write(connect(nonce) + greeting));
    } else if (isSent && received.includes("PONG\r\n")) {
      resolve({ close: () => socket.end() });
    }
    if (received.includes("-ERR"))
      reject(new Error(`the server sent ${received.slice(received.indexOf("-ERR")).trim()}`));
  };
  Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (socket) => void (transport === "WebSocket" && socket.write(upgrade(port))),
      data: onData,
      close: () => reject(new Error("the server closed the connection")),
    },
  }).catch(reject);
  return promise;
}

const upgrade = (port: number) =>
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bmF0cy1taW50IGJlbmNoIQ==\r\n\r\n`;

/** A binary frame of RFC 6455. Its mask is zero, so the payload is unchanged. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const size = payload.length;
  const head = size < 126 ? [0x82, 0x80 | size] : [0x82, 0x80 | 126, size >> 8, size & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}
