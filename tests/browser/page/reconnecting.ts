import type { NatsConnection } from "@nats-io/nats-core";
import type { CredsResponse, Endpoint } from "../../../src/browser/index.ts";
import type { Client } from "./clients.ts";

/**
 * Renewal without this module, for comparison: the authenticator gets a new credential, and the client's own `reconnect()`
 * is called.
 */
export class ReconnectingClient {
  #current!: CredsResponse;
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  async connect(client: Client): Promise<NatsConnection> {
    await this.#request();
    return client.connect({
      servers: this.#current.servers,
      inboxPrefix: this.#current.inbox_prefix,
      authenticator: client.authenticator(
        () => this.#current.jwt,
        () => new TextEncoder().encode(this.#current.seed),
      ),
      maxReconnectAttempts: -1,
      // As fast as a client can reconnect.
      reconnectTimeWait: 0,
      reconnectJitter: 0,
    });
  }

  /** Resolves when the client is connected again. */
  async renew(nc: NatsConnection): Promise<void> {
    await this.#request();
    const reconnected = (async () => {
      for await (const { type } of nc.status()) if (type === "reconnect") return;
    })();
    await nc.reconnect();
    await reconnected;
  }

  async #request(): Promise<void> {
    const { url, ...fields } = this.#endpoint;
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    this.#current = await response.json();
  }
}
