import * as nkeys from "nkeys.js";
import {
  type CredentialError,
  credentials,
  type LiveCredentialsOptions,
  liveCredentials,
} from "../../../src/browser/index.ts";
import { type ClientName, clients } from "./clients.ts";
import { Connection } from "./connection.ts";

/** A program for every runtime: workers of a page, Node, Bun. It is given nothing but its task. */

export interface Task {
  readonly url: string;
  readonly user: string;
  readonly subject: string;
  readonly client: ClientName;
  /** Global names that the runtime is made not to have; `subtle` is that of `crypto`. */
  readonly missing: readonly string[];
  /** What is missing and passed as an option. */
  readonly passed: readonly ("nkeys" | "webSocket")[];
}

export interface Outcome {
  /** The code of the error by which `liveCredentials` rejected, and its message. */
  readonly error?: readonly [code: string | undefined, message: string];
  readonly sent?: number;
  readonly received?: readonly number[];
  readonly events?: readonly string[];
  readonly statuses?: readonly string[];
}

/** Publishes numbered messages to itself during two renewals, and closes everything. */
export async function work({ url, user, subject, client, missing, passed }: Task): Promise<Outcome> {
  const { WebSocket } = globalThis;
  const options: LiveCredentialsOptions = {
    ...(passed.includes("nkeys") && { nkeys }),
    ...(passed.includes("webSocket") && { webSocket: (url: string) => new WebSocket(url) }),
  };
  const { crypto } = globalThis;
  for (const name of missing) {
    if (name !== "subtle") Object.defineProperty(globalThis, name, { value: undefined });
    else {
      const value = { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) };
      Object.defineProperty(globalThis, "crypto", { value });
    }
  }
  const events: string[] = [];
  try {
    const live = await liveCredentials(credentials({ url, user }), {
      on: ({ type }) => events.push(type),
      ...options,
    });
    const connection = new Connection(await clients[client].connect(live.connectOptions()), clients[client]);
    const recorder = connection.record(subject);
    await connection.nc.flush();
    let sent = 0;
    const publishing = setInterval(() => connection.nc.publish(subject, `p ${++sent}`), 2);
    await live.refresh();
    await live.refresh();
    clearInterval(publishing);
    await recorder.complete({ p: sent });
    await connection.nc.drain();
    live.close();
    return { sent, received: recorder.received.p ?? [], events, statuses: connection.statuses };
  } catch (error) {
    return { error: [(error as CredentialError).code, (error as Error).message] };
  }
}
