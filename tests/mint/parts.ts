import { connect as openSocket } from "node:net";
import { createUser, encodeUser, fromPublic, fromSeed, type User } from "@nats-io/jwt";
import type { Hono } from "hono";
import {
  type ConnectionOptions,
  jwtAuthenticator,
  type NatsConnection,
  type NatsError,
  connect as overTcp,
} from "nats";
import { connect as overWebSocket } from "nats.ws";
import { createMint } from "../../src/core/mint.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import { devAuthentication } from "../../src/http/dev.ts";
import { withTimeout } from "../../src/util/timeout.ts";
import { type Recipe, startRecipe } from "../recipe/recipe.ts";

/** The environment of these tests: the running recipe, a mint on its exported keys, clients, and an observer that receives everything. */

/** Milliseconds to wait for an event that must happen. */
export const TIMEOUT = 60_000;

export type Transport = "tcp" | "ws";

/** The running recipe, and a mint with the keys that it exported. */
export async function makeEnvironment(roles: Record<string, unknown> = {}) {
  const recipe = await startRecipe({}, roles);
  const { mint: keys } = await readKeys(recipe.env.KEYS_DIR ?? "");
  const servers = { tcp: [url(recipe, "tcp")], websocket: [url(recipe, "ws")] };

  /** The HTTP application of a mint, called without a socket. */
  const makeApp = (now: () => number = Date.now) =>
    createApp({
      mint: createMint({ ...keys, now }),
      ...devAuthentication({ defaultRole: "browser" }),
      servers,
      // Tests send many requests for one name.
      rateLimit: "off",
    });
  const app = makeApp();

  return {
    recipe,
    app,
    makeApp,

    /** Requests a credential and logs in with it. */
    async logIn(
      request: { user: string; role?: string; tags?: Record<string, string> },
      transport: Transport = "ws",
    ) {
      return logIn(await credentials(app, request), url(recipe, transport));
    },

    /** A client that may do anything in the account, to observe other clients. */
    observer: async () => logIn(await plainUser(recipe, { pub: { allow: [">"] }, sub: { allow: [">"] } })),

    url: (transport: Transport) => url(recipe, transport),
    [Symbol.asyncDispose]: () => recipe[Symbol.asyncDispose](),
  };
}

export type Environment = Awaited<ReturnType<typeof makeEnvironment>>;

function url({ ports }: Recipe, transport: Transport): string {
  return transport === "ws" ? `ws://127.0.0.1:${ports.webSocket}` : `nats://127.0.0.1:${ports.nats}`;
}

/** Sends JSON, or a text unchanged, to `POST /creds`. */
export function requestCreds(app: Hono, body: unknown): Promise<Response> {
  const headers = { Host: "localhost", "Content-Type": "application/json" };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(app.request("/creds", { method: "POST", headers, body: text }));
}

/** Requests a credential. Fails if the mint does not issue one. */
export async function credentials(app: Hono, body: unknown): Promise<CredsResponse> {
  const response = await requestCreds(app, body);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as CredsResponse;
}

/** What a client needs to log in. */
export interface Login {
  readonly jwt: string;
  readonly seed?: string;
  readonly servers: readonly string[];
  readonly inbox_prefix?: string;
}

/** A user signed with the account's plain signing key, as a backend that reads `.env.account` does it. */
export async function plainUser(recipe: Recipe, user: Partial<User>): Promise<Login> {
  const { NATS_ACCOUNT_KEY = "", NATS_ACCOUNT_SECRET = "" } = await accountEnv(recipe);
  const pair = createUser();
  const jwt = await encodeUser("backend", pair, fromPublic(NATS_ACCOUNT_KEY), user, {
    signer: fromSeed(bytes(NATS_ACCOUNT_SECRET)),
  });
  return { jwt, seed: new TextDecoder().decode(pair.getSeed()), servers: [url(recipe, "tcp")] };
}

/** The variables in `.env.account`. */
export async function accountEnv(recipe: Recipe): Promise<Record<string, string>> {
  const text = await Bun.file(`${recipe.env.SECRETS_DIR}/.env.account`).text();
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split("=") as [string, string]),
  );
}

export const bytes = (text: string) => new TextEncoder().encode(text);

/** Connects, with the transport of the URL. */
export async function connect(server: string, options: ConnectionOptions): Promise<NatsConnection> {
  const open = server.startsWith("ws") ? overWebSocket : overTcp;
  const all = { servers: server, reconnect: false, timeout: TIMEOUT, ...options };
  return (await open(all as never)) as unknown as NatsConnection;
}

export type Client = Awaited<ReturnType<typeof logIn>>;

/**
 * Logs in. The server processes what a client sends in order, and delivers a message before it responds to the
 * publisher's PING: after a flush on both sides, a message that has not arrived will not arrive.
 */
export async function logIn(
  { jwt, seed = "", servers, inbox_prefix }: Login,
  server: string = servers[0] ?? "",
) {
  const nc = await connect(server, {
    authenticator: jwtAuthenticator(jwt, bytes(seed)),
    ...(inbox_prefix && { inboxPrefix: inbox_prefix }),
  });
  const denials: string[] = [];
  void (async () => {
    for await (const { permissionContext: denied, data } of nc.status()) {
      if (denied) denials.push(Object.values(denied).filter(Boolean).join(" "));
      else if (data === "PERMISSIONS_VIOLATION") denials.push("reply");
    }
  })();
  return {
    nc,

    /**
     * What the server has denied this client so far: `publish <subject>`, `subscription <subject> <queue>`, and `reply`
     * for a message whose reply subject is not allowed; the client does not report which.
     */
    denials,

    /** Subscribes and collects the messages; `denied` is true once the server has denied the subscription. */
    async subscribe(subject: string, queue?: string) {
      const received = { messages: [] as string[], subjects: [] as string[], denied: false };
      nc.subscribe(subject, {
        ...(queue && { queue }),
        callback: (error: NatsError | null, message) => {
          if (error) received.denied = true;
          else {
            received.messages.push(message.string());
            received.subjects.push(message.subject);
          }
        },
      });
      await nc.flush();
      return received;
    },

    close: () => nc.close(),
    [Symbol.asyncDispose]: () => nc.close(),
  };
}

/** After this, everything that a client sent has arrived at `others`, or never will. */
export async function flushAll(sender: Client, ...others: Client[]): Promise<void> {
  await sender.nc.flush();
  for (const other of others) await other.nc.flush();
}

/** The code with which the server refuses a login. Fails if the server accepts it. */
export async function refusal(login: Login, server?: string): Promise<string> {
  try {
    const client = await logIn(login, server);
    await client.close();
  } catch (error) {
    return (error as NatsError).code;
  }
  throw new Error("the server accepted the login");
}

/** The result of the work, or an error when it takes too long. */
export function within<T>(work: Promise<T>, what: string, timeout = TIMEOUT): Promise<T> {
  return withTimeout(work, timeout, () => {
    throw new Error(`timed out waiting for ${what}`);
  });
}

/** A running program, with its output so far. */
export function runService(command: string[], env: Record<string, string>) {
  const child = Bun.spawn(command, { env, stdio: ["ignore", "pipe", "pipe"] });
  const listeners = new Set<() => void>();
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const part of stream) {
      output += decoder.decode(part, { stream: true });
      for (const notify of listeners) notify();
    }
  };
  const ended = Promise.all([child.exited, read(child.stdout), read(child.stderr)]).then(([code]) => code);

  return {
    output: () => output,
    /** Its exit code, once it has ended. */
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),

    /** Waits until the output matches. */
    async waitFor(what: RegExp): Promise<RegExpExecArray> {
      const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
      const check = () => {
        const found = what.exec(output);
        if (found) resolve(found);
      };
      listeners.add(check);
      check();
      const exited = ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${output}`)));
      return within(Promise.race([promise, exited]), `${what} in:\n${output}`).finally(() =>
        listeners.delete(check),
      );
    },

    async [Symbol.asyncDispose](): Promise<void> {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Sends raw bytes and returns all data that is received until the connection is closed. */
export async function exchange(port: number, request: string | Uint8Array): Promise<string> {
  const socket = openSocket(port, "127.0.0.1");
  let response = "";
  socket.on("data", (data) => {
    response += data;
  });
  // A reset also ends the exchange.
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write(request);
  await within(closed, "the connection to be closed");
  return response;
}
