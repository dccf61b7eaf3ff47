import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { refusalLine } from "../browser/transport/server-errors.ts";
import { writeTogether } from "./write-together.ts";

/** The part of a client's WebSocket (src/browser/transport/socket.ts) that is used. */
interface ClientSide {
  onmessage: ((event: { data: ArrayBuffer }) => void) | null;
  // biome-ignore lint/suspicious/noExplicitAny: the same interface as that of a WebSocket
  onerror: ((event: any) => void) | null;
  // biome-ignore lint/suspicious/noExplicitAny: the same interface as that of a WebSocket
  onclose: ((event: any) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** A port at 127.0.0.1 for the NATS clients of this process. */
export interface Gateway {
  readonly port: number;
  /** The `token` that a client has to send. */
  readonly token: string;
  close(): void;
}

/** Bytes of a CONNECT line, at most: the server's `max_control_line`. */
const MAX_CONNECT = 4096;
/** The INFO of the port where there is none of a server. */
const NO_SERVER =
  'INFO {"server_id":"","version":"2.0.0","proto":1,"max_payload":1048576,"auth_required":true}\r\n';
/** Milliseconds that a client has to send its CONNECT. */
const CONNECT_TIMEOUT = 5000;
const LINE_FEED = 10;

/**
 * Opens the port. A client that connects to it is connected to the server by `dial`, and logged in there with the live
 * credentials: so only a client that knows the token is served, and not another program of this machine.
 */
export async function openGateway(dial: () => Promise<unknown>): Promise<Gateway> {
  const token = randomBytes(32).toString("base64url");
  const connections = new Set<Socket>();

  const server = createServer((connection) => {
    connections.add(connection);
    connection.setNoDelay(true);
    // 'close' follows.
    connection.on("error", () => {});
    connection.on("close", () => connections.delete(connection));
    dial().then(
      (socket) => join(connection, socket as ClientSide, token),
      () => connection.destroy(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  server.on("error", () => {});
  // The clients keep the process running.
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    token,
    close() {
      server.close();
      for (const connection of connections) connection.end();
    },
  };
}

function join(connection: Socket, socket: ClientSide, token: string): void {
  let head: Buffer | undefined = Buffer.alloc(0);
  const late = setTimeout(() => connection.destroy(), CONNECT_TIMEOUT);

  connection.on("data", function receive(bytes: Buffer) {
    if (!head) return socket.send(bytes as Uint8Array<ArrayBuffer>);
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(LINE_FEED) + 1;
    if (end === 0 && head.length < MAX_CONNECT) return;
    const connect = readConnect(head.subarray(0, end).toString(), token);
    if (!connect) {
      connection.off("data", receive).resume().end("-ERR 'Authorization Violation'\r\n");
      return;
    }
    clearTimeout(late);
    const rest = head.subarray(end);
    head = undefined;
    socket.send(Buffer.from(connect));
    socket.send(rest as Uint8Array<ArrayBuffer>);
  });
  connection.on("close", () => {
    clearTimeout(late);
    socket.close();
  });

  socket.onmessage = ({ data }) => writeTogether(connection, forLocalClient(Buffer.from(data)));
  socket.onclose = () => void connection.end();
  // There is no connection to the server. Clients report the reason only if a server refuses them by it.
  socket.onerror = ({ message }: { message: string }) => {
    if (head) connection.write(`${NO_SERVER}${refusalLine(message)}\r\n`);
  };
}

/**
 * The CONNECT line for the server.
 * @returns undefined if the line is not a CONNECT with this token
 */
function readConnect(line: string, token: string): string | undefined {
  try {
    const [, json = ""] = /^CONNECT (.*)$/i.exec(line.trimEnd()) ?? [];
    const { auth_token: given, ...options } = JSON.parse(json);
    return typeof given === "string" && isEqual(given, token)
      ? `CONNECT ${JSON.stringify(options)}\r\n`
      : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the same time for each `given`. */
const isEqual = (given: string, token: string) => timingSafeEqual(sha256(given), sha256(token));

const sha256 = (text: string) => createHash("sha256").update(text).digest();

/** INFO as it is true of the port: without TLS, without a challenge and without other servers. Other frames as they are. */
function forLocalClient(frame: Buffer): Buffer {
  if (frame.subarray(0, 5).toString("latin1") !== "INFO ") return frame;
  const {
    tls_required: _required,
    tls_available: _available,
    tls_verify: _verify,
    nonce: _nonce,
    connect_urls: _urls,
    ws_connect_urls: _wsUrls,
    ...info
  } = JSON.parse(frame.subarray(5).toString());
  return Buffer.from(`INFO ${JSON.stringify({ ...info, auth_required: true })}\r\n`);
}
