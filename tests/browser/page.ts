import * as nkeys from "nkeys.js";
import {
  credentials,
  type Endpoint,
  type LiveCredentials,
  type LiveCredentialsEvent,
  type LiveCredentialsOptions,
  liveCredentials,
} from "../../src/browser/index.ts";
import { Busy } from "./page/busy.ts";
import { type ClientName, clients } from "./page/clients.ts";
import { Connection } from "./page/connection.ts";
import { ReconnectingClient } from "./page/reconnecting.ts";
import { Recorder } from "./page/recorder.ts";

/** The script of the page that the tests load. They use `harness` in `page.evaluate`. */

type TimedEvent = LiveCredentialsEvent & { readonly at: number };

class Harness {
  readonly Busy = Busy;
  readonly Recorder = Recorder;
  readonly nkeys = nkeys;
  /** All events of the live credentials, with `Date.now()`. */
  readonly events: TimedEvent[] = [];
  readonly #waiting = new Set<() => void>();
  #live: LiveCredentials | undefined;
  #connection: Connection | undefined;
  /** What a test has kept. */
  // biome-ignore lint/suspicious/noExplicitAny: a test keeps values of any type
  readonly kept: Record<string, any> = {};

  /** Keeps a value that cannot leave the page, for a later `page.evaluate`. */
  keep(name: string, value: unknown): void {
    this.kept[name] = value;
  }

  get live(): LiveCredentials {
    if (!this.#live) throw new Error("there are no live credentials: call start() first");
    return this.#live;
  }

  /** The first connection. */
  get connection(): Connection {
    if (!this.#connection) throw new Error("there is no connection: call connect() first");
    return this.#connection;
  }

  get nc() {
    return this.connection.nc;
  }

  /** Starts live credentials; by default from the page's own origin, for the user in its address. */
  async start(
    endpoint: Partial<Endpoint> = {},
    options: LiveCredentialsOptions = {},
  ): Promise<LiveCredentials> {
    this.#live = await liveCredentials(credentials({ ...this.endpoint, ...endpoint }), {
      ...options,
      on: (event) => {
        this.events.push({ ...event, at: Date.now() });
        for (const look of this.#waiting) look();
      },
    });
    return this.#live;
  }

  get endpoint(): Endpoint {
    const fields = Object.fromEntries(new URLSearchParams(location.search));
    return { url: "/creds", ...fields };
  }

  /** Connects a client with the live credentials. */
  async connect(name: ClientName, options: object = {}): Promise<Connection> {
    const client = clients[name];
    const nc = await client.connect({ ...this.live.connectOptions(), ...options });
    const connection = new Connection(nc, client);
    this.#connection ??= connection;
    return connection;
  }

  /** Starts live credentials and connects a client with them. */
  async begin(name: ClientName, endpoint: Partial<Endpoint> = {}, options: object = {}): Promise<void> {
    await this.start(endpoint);
    await this.connect(name, options);
  }

  /** Connects a client without this module. Returns a function that renews its credential. */
  async beginReconnecting(name: ClientName): Promise<() => Promise<void>> {
    const reconnecting = new ReconnectingClient(this.endpoint);
    const client = clients[name];
    const nc = await reconnecting.connect(client);
    this.#connection = new Connection(nc, client);
    return () => reconnecting.renew(nc);
  }

  /** Renews several times, one after the other. */
  async renew(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.live.refresh();
  }

  /** The number of events of this type so far. */
  count(type: LiveCredentialsEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Resolves with the event of this type that has the number `count`, from 1. */
  until(type: LiveCredentialsEvent["type"], count = 1): Promise<TimedEvent> {
    return new Promise((resolve) => {
      const look = () => {
        const event = this.events.filter((event) => event.type === type)[count - 1];
        if (!event) return;
        this.#waiting.delete(look);
        resolve(event);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

declare global {
  var harness: Harness;
}

globalThis.harness = new Harness();
