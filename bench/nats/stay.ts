import { residentBytes } from "../process.ts";
import { type Client, type Connection, logIn, makeClient } from "./login.ts";
import { readUsers } from "./users.ts";

/**
 * Pages that log in over WebSocket at the same moment, and stay connected. Takes
 * `<users file> <port> <pid of the server> <count>` on its command line, and prints one line of JSON.
 */

/** Logins before the measurement, so that the server has allocated what it needs once. */
const WARM_UP = 50;
/** Milliseconds until the memory of the server is stable. */
const REST = 1000;
/** The longest delay before a page connects again, and the time after which it fails, in milliseconds. */
const LONGEST_DELAY = 1000;
const TIMEOUT = 20_000;

const [, , file = "", port = "", pid = "", count = ""] = process.argv;
const clients = readUsers(file).map((user) => makeClient(user, true));

/** The number of logins that took longer than the two seconds that the server allows. */
let cutOff = 0;

/** Connects until it is logged in, as a page does. */
async function join(client: Client): Promise<Connection> {
  for (const end = performance.now() + TIMEOUT; ; ) {
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

for (const connection of await stay(WARM_UP)) connection.close();
await Bun.sleep(REST);
const bytesBefore = residentBytes(Number(pid));
const began = performance.now();
await stay(Number(count));
const seconds = (performance.now() - began) / 1000;
await Bun.sleep(REST);
const bytes = (residentBytes(Number(pid)) - bytesBefore) / Number(count);
console.log(JSON.stringify({ seconds, cutOff, bytes }));
process.exit(0);
