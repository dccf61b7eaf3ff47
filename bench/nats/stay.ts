import { residentBytes } from "../process.ts";
import { type Client, type Connection, logIn, makeClient } from "./login.ts";
import { readUsers } from "./users.ts";

/**
 * Pages that log in over WebSocket, all at the same moment, and stay. On its command line
 * `<users file> <port> <pid of the server> <count>`; prints one line of JSON.
 */

/** As many log in before, so that the server has what it needs once. */
const BEFORE = 50;
/** Milliseconds for the server to come to rest. */
const REST = 1000;
/** Milliseconds before a page dials again, and after which it gives up. */
const LONGEST_DELAY = 1000;
const PATIENCE = 20_000;

const [, , file = "", port = "", pid = "", count = ""] = process.argv;
const clients = readUsers(file).map((user) => makeClient(user, true));

/** Times that a page was not in within the two seconds that the server gives it. */
let cutOff = 0;

/** Dials until it is in, as a page does. */
async function join(client: Client): Promise<Connection> {
  for (const end = performance.now() + PATIENCE; ; ) {
    try {
      return await logIn(client, "WebSocket", Number(port));
    } catch (error) {
      const isLate = /Authentication Timeout|closed/.test((error as Error).message);
      if (!isLate || performance.now() > end) throw error;
      cutOff++;
      await Bun.sleep(Math.random() * LONGEST_DELAY);
    }
  }
}

const stay = (length: number) =>
  Promise.all(Array.from({ length }, (_, i) => join(clients[i % clients.length] as Client)));

for (const connection of await stay(BEFORE)) connection.close();
await Bun.sleep(REST);
const bytesBefore = residentBytes(Number(pid));
const began = performance.now();
await stay(Number(count));
const seconds = (performance.now() - began) / 1000;
await Bun.sleep(REST);
const bytes = (residentBytes(Number(pid)) - bytesBefore) / Number(count);
console.log(JSON.stringify({ seconds, cutOff, bytes }));
process.exit(0);
