import * as nkeys from "nkeys.js";
import {
  credentials,
  type Endpoint,
  type NatsSession,
  natsSession,
  type SessionEvent,
  type SessionOptions,
} from "../../src/browser/index.ts";
import { Busy } from "./page/busy.ts";
import { type ClientName, clients } from "./page/clients.ts";
import { Connection } from "./page/connection.ts";
import { Naive } from "./page/naive.ts";
import { Recorder } from "./page/recorder.ts";

/** The page that these tests run: `lab` is what they work with, by `page.evaluate`. */

type Told = SessionEvent & { readonly at: number };

class Lab {
  readonly Busy = Busy;
  readonly Recorder = Recorder;
  readonly nkeys = nkeys;
  /** Everything that the session has told, with `Date.now()`. */
  readonly events: Told[] = [];
  readonly #waiting = new Set<() => void>();
  #session: NatsSession | undefined;
  #connection: Connection | undefined;
  /** What a test wants to find again. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever it is
  readonly kept: Record<string, any> = {};

  /** Keeps something that can't leave the page. */
  keep(name: string, what: unknown): void {
    this.kept[name] = what;
  }

  get session(): NatsSession {
    if (!this.#session) throw new Error("there is no session");
    return this.#session;
  }

  /** The first one. */
  get connection(): Connection {
    if (!this.#connection) throw new Error("there is no connection");
    return this.#connection;
  }

  get nc() {
    return this.connection.nc;
  }

  /** Starts the session; without an endpoint that of the page's own origin and the user in its address. */
  async start(endpoint: Partial<Endpoint> = {}, options: SessionOptions = {}): Promise<NatsSession> {
    this.#session = await natsSession(credentials({ ...this.endpoint, ...endpoint }), {
      ...options,
      on: (event) => {
        this.events.push({ ...event, at: Date.now() });
        for (const look of this.#waiting) look();
      },
    });
    return this.#session;
  }

  get endpoint(): Endpoint {
    const asked = Object.fromEntries(new URLSearchParams(location.search));
    return { url: "/creds", ...asked };
  }

  /** Connects a client by the session. */
  async connect(name: ClientName, options: object = {}): Promise<Connection> {
    const client = clients[name];
    const nc = await client.connect({ ...this.session.options(), ...options });
    const connection = new Connection(nc, client);
    this.#connection ??= connection;
    return connection;
  }

  /** A session and a connection. */
  async begin(name: ClientName, endpoint: Partial<Endpoint> = {}, options: object = {}): Promise<void> {
    await this.start(endpoint);
    await this.connect(name, options);
  }

  /** A connection without a session. Returns how to renew it. */
  async beginNaively(name: ClientName): Promise<() => Promise<void>> {
    const naive = new Naive(this.endpoint);
    const client = clients[name];
    const nc = await naive.connect(client);
    this.#connection = new Connection(nc, client);
    return () => naive.renew(nc);
  }

  /** Renews so often, one after the other. */
  async renew(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await this.session.refresh();
  }

  /** How often this has been told. */
  count(type: SessionEvent["type"]): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Resolves once this has been told so often; with the last of them. */
  until(type: SessionEvent["type"], count = 1): Promise<Told> {
    return new Promise((resolve) => {
      const look = () => {
        const told = this.events.filter((event) => event.type === type)[count - 1];
        if (!told) return;
        this.#waiting.delete(look);
        resolve(told);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

declare global {
  var lab: Lab;
}

globalThis.lab = new Lab();
