import type { CredentialSource, CredsResponse } from "../browser/credential/credential.ts";
import { CredentialError } from "../browser/errors.ts";
import {
  type ConnectionOptions,
  type LiveCredentials,
  type LiveCredentialsOptions,
  liveCredentials as openLiveCredentials,
} from "../browser/live-credentials.ts";
import type { PlainWebSocket } from "../browser/transport/link.ts";
import { type Gateway, openGateway } from "./gateway.ts";
import { openTcpSocket, type TlsOptions } from "./tcp-socket.ts";

export interface BackendOptions extends LiveCredentialsOptions {
  /** For servers that require TLS, by `tls://` or by themselves. */
  readonly tls?: TlsOptions;
}

/** Options for a client that opens its TCP connection itself. Others may be added, as with `ConnectionOptions`. */
export interface TcpOptions extends Omit<ConnectionOptions, "wsFactory"> {
  /** A secret of this process, without which the port at 127.0.0.1 gives nothing. */
  token: string;
}

/** A program's credentials for NATS, which are renewed before they expire, and the connections that use them. */
export interface BackendCredentials extends LiveCredentials {
  /**
   * The options for `wsconnect` of `@nats-io/nats-core` or `@nats-io/transport-node`, and for `connect` of `nats.ws`. The
   * connection is a TCP connection if the credential has `nats://` or `tls://` servers, and a WebSocket otherwise.
   */
  connectOptions(): ConnectionOptions;
  /**
   * The options for `connect` of `nats` and of `@nats-io/transport-node`. These clients take a host and a port only: the
   * first call opens a port at 127.0.0.1, which accepts clients that have the `token` and connects them to the server.
   * @throws {Error} if the port cannot be opened
   */
  tcpOptions(): Promise<TcpOptions>;
}

/**
 * Makes a key pair and requests the first credential, without a retry. Like `liveCredentials` of `nats-mint/browser`,
 * whose sources, events and errors it has.
 * @throws {UnauthorizedError} if the program may not have a credential
 * @throws {CredentialError} `unavailable` if there is no credential now; `unsupported` if Ed25519 is missing
 * @throws {TypeError} if the response of the source cannot be used
 */
export async function liveCredentials(
  source: CredentialSource | CredsResponse,
  { tls, webSocket = openWebSocket, ...options }: BackendOptions = {},
): Promise<BackendCredentials> {
  const live = await openLiveCredentials(source, {
    ...options,
    webSocket: (url): PlainWebSocket => (/^wss?:/.test(url) ? webSocket(url) : openTcpSocket(url, tls)),
  });
  let gateway: Promise<Gateway> | undefined;
  let dials = 0;

  function connectOptions(): ConnectionOptions {
    const options = live.connectOptions();
    const servers = tcpServers(live.current);
    if (servers.length === 0) return options;
    // Clients make a WebSocket URL of each of their servers.
    return { ...options, servers, wsFactory: (url) => options.wsFactory(toTcp(url)) };
  }

  /** The next of the servers, for clients that know the port at 127.0.0.1 only. */
  async function dial() {
    const { servers, wsFactory } = connectOptions();
    return (await wsFactory(servers[dials++ % servers.length] as string)).socket;
  }

  return {
    get current() {
      return live.current;
    },
    get timeLeft() {
      return live.timeLeft;
    },
    connectOptions,
    async tcpOptions() {
      gateway ??= openGateway(dial);
      const { port, token } = await gateway;
      const { wsFactory: _, ...options } = live.connectOptions();
      return { ...options, servers: [`127.0.0.1:${port}`], token };
    },
    refresh: live.refresh,
    on: live.on,
    close() {
      live.close();
      gateway?.then(
        ({ close }) => close(),
        () => {},
      );
    },
  };
}

function openWebSocket(url: string): PlainWebSocket {
  if (!globalThis.WebSocket)
    throw new CredentialError("unsupported", `no WebSocket here for ${url}: pass \`webSocket\``);
  return new WebSocket(url);
}

/** The TCP servers as URLs with a port: where there is none, clients take that of WebSockets. */
function tcpServers({ servers }: CredsResponse): string[] {
  return servers
    .map((server) => (server.includes("://") ? server : `nats://${server}`))
    .filter((server) => /^(nats|tls):/.test(server))
    .map((server) => (/:\d+\/?$/.test(server) ? server : `${server.replace(/\/$/, "")}:4222`));
}

const toTcp = (url: string) => url.replace(/^ws:/, "nats:").replace(/^wss:/, "tls:");
