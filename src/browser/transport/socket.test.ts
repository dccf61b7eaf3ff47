import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { wsconnect } from "@nats-io/nats-core";
import { connect } from "nats.ws";
import type { Credential } from "../credential/credential.ts";
import { pieces } from "./server.fixture.ts";
import { type ClientSocket, openClientSocket } from "./socket.ts";

/**
 * The end of a login for which there is no credential. The reason may come from elsewhere, such as the `detail` of a mint's
 * response, and goes to the client in an `-ERR` line.
 */

const INFO = 'INFO {"server_id":"S","version":"2.15.0","proto":1,"headers":true,"max_payload":1048576}\r\n';

let server: Bun.Server<undefined>;
let url: string;

beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response(null, { status: 400 })),
    websocket: {
      open: (socket) => void socket.send(new TextEncoder().encode(INFO)),
      message() {},
    },
  });
  url = `ws://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop(true));

/** A socket whose server is reached with a credential that is gone at the login. */
function open(reason: string): ClientSocket {
  let requests = 0;
  return openClientSocket(url, {
    async credential() {
      if (requests++ > 0) throw new Error(reason);
      return {} as Credential;
    },
    webSocket: (url) => new WebSocket(url),
    emit() {},
    heard() {},
    closed() {},
  });
}

const REASONS = {
  "a line end": "401: no\r\nMSG alpha 1 5\r\nhello\r\nINFO {}",
  "a line end in the quoted text": "401: no'\r\n+OK\r\n-ERR 'x",
  "a quote": "401: 'no'",
  "a control character": "401: \u0000no\u001b[2J\u0085",
  "another error's words": `403: Permissions Violation for Publish to "alpha"`,
  "letters of any language": "401: nicht berechtigt – Zoë 東京",
};

describe("a login without a credential ends, when the reason has", () => {
  for (const [what, reason] of Object.entries(REASONS)) {
    test(`${what}, with one -ERR line and no other frame`, async () => {
      const socket = open(reason);
      const received: Uint8Array[] = [];
      const closed = new Promise((resolve) => {
        socket.onclose = resolve;
      });
      socket.onmessage = ({ data }) => {
        received.push(new Uint8Array(data));
        if (received.length === 1) socket.send(new TextEncoder().encode("CONNECT {}\r\nPING\r\n"));
      };
      await closed;
      const frames = pieces(Buffer.concat(received));
      expect(frames.map(({ verb }) => verb)).toEqual(["INFO", "-ERR"]);
      const text = new TextDecoder().decode(frames[1]?.bytes);
      expect(text).toMatch(/^-ERR 'Authorization Violation: [^\p{Cc}']+'\r\n$/u);
    });

    for (const [name, connectClient] of Object.entries({ "nats.ws": connect, "nats-core": wsconnect })) {
      test(`${what}, and ${name} gives up`, async () => {
        const connecting = (connectClient as typeof wsconnect)({
          servers: [url],
          maxReconnectAttempts: -1,
          ignoreAuthErrorAbort: true,
          reconnectDelayHandler: () => 10,
          wsFactory: async () => ({ socket: open(reason) as unknown as WebSocket, encrypted: false }),
        } as object);
        const error: Error = await connecting.then(
          () => new Error("it connected"),
          (error) => error,
        );
        expect(error.message).toContain("Authorization Violation: 40");
      });
    }
  }
});
