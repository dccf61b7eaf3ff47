import { processorSeconds } from "../process.ts";
import { spread } from "../rounds.ts";
import { type Client, logIn, makeClient } from "./login.ts";
import type { Transport } from "./server.ts";
import { readUsers } from "./users.ts";

/**
 * Logs in and closes, first one client at a time, then as many logins as the server accepts. Takes
 * `<users file> <transport> <port> <pid of the server> <seconds>` on its command line, and prints one line of JSON.
 */

/** Parallel logins. */
const PARALLEL = 64;

const [, , file = "", transport = "", port = "", pid = "", seconds = ""] = process.argv;
const clients = readUsers(file).map((user) => makeClient(user));
let next = 0;

interface Logins {
  /** The milliseconds of each login that ended within the time. */
  readonly took: number[];
  /** The number of logins that ended later. */
  readonly late: number;
}

/** Logs in and closes repeatedly for a number of milliseconds, with `parallel` clients at a time. */
async function logInFor(milliseconds: number, parallel: number): Promise<Logins> {
  const took: number[] = [];
  let late = 0;
  const end = performance.now() + milliseconds;
  async function logInRepeatedly(): Promise<void> {
    for (let began = performance.now(); began < end; began = performance.now()) {
      const client = clients[next++ % clients.length] as Client;
      const connection = await logIn(client, transport as Transport, Number(port));
      const now = performance.now();
      if (now <= end) took.push(now - began);
      else late++;
      connection.close();
    }
  }
  await Promise.all(Array.from({ length: parallel }, logInRepeatedly));
  return { took, late };
}

const alone = (await logInFor(Number(seconds) * 500, 1)).took.sort((a, b) => a - b);
const usedBefore = processorSeconds(Number(pid));
const { took, late } = await logInFor(Number(seconds) * 1000, PARALLEL);
const used = processorSeconds(Number(pid)) - usedBefore;
const first = clients[0] as Client;
console.log(
  JSON.stringify({
    perSecond: took.length / Number(seconds),
    perProcessorSecond: used > 0 ? (took.length + late) / used : undefined,
    alone: spread(alone)?.median,
    p99: alone[Math.floor(alone.length * 0.99)],
    connectBytes: first.connect("x".repeat(15)).length,
    jwtBytes: readUsers(file)[0]?.jwt.length,
  }),
);
process.exit(0);
