import type { NatsConnection } from "@nats-io/nats-core";
import type { Endpoint } from "../../../src/browser/index.ts";
import type { Client } from "./clients.ts";

/** How it is done without a session: a fresh credential for the authenticator, and the client's own `reconnect()`. */
export class Naive {
  #fresh = { jwt: "", seed: "", servers: [] as string[], inbox_prefix: "" };
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  async connect(client: Client): Promise<NatsConnection> {
    await this.#fetch();
    return client.connect({
      servers: this.#fresh.servers,
      inboxPrefix: this.#fresh.inbox_prefix,
      authenticator: client.authenticator(
        () => this.#fresh.jwt,
        () => new TextEncoder().encode(this.#fresh.seed),
      ),
      maxReconnectAttempts: -1,
      // As quick as a client can.
      reconnectTimeWait: 0,
      reconnectJitter: 0,
    });
  }

  /** Resolves once it is connected again. */
  async renew(nc: NatsConnection): Promise<void> {
    await this.#fetch();
    const again = (async () => {
      for await (const { type } of nc.status()) if (type === "reconnect") return;
    })();
    await nc.reconnect();
    await again;
  }

  async #fetch(): Promise<void> {
    const { url, ...asked } = this.#endpoint;
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(asked),
    });
    this.#fresh = await answer.json();
  }
}
