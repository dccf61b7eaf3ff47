import { readLocalConfig } from "../../src/config/local.ts";
import { prepareTools } from "../../src/local/tools.ts";
import type { Machine } from "../machine.ts";
import { bun, on, runJson } from "../process.ts";
import { type Measurement, measureInTurn, type Rounds } from "../rounds.ts";
import type { State } from "../state.ts";
import { startNatsServer, type Transport } from "./server.ts";
import { INLINE, makeUsers, SCOPED } from "./users.ts";

/** The cost of credentials at the server: a nats-server on one core, the clients on another. */

export const ROUNDS = 4;
/** Seconds of one measurement. Before it, single logins are measured for half as long. */
export const SECONDS = 1;
const PAGES = 2000;
const PAGE_ROUNDS = 3;

/** Logins with one kind of credential. */
export interface Login extends Measurement {
  readonly name: string;
  /** Milliseconds of one login without parallel ones: the median. `p99` is the 99th percentile. */
  readonly alone: number;
  readonly p99: number;
  readonly connectBytes: number;
  readonly jwtBytes: number;
}

/** Pages that log in at the same moment and stay connected. */
export interface Stay {
  readonly pages: number;
  /** Until the last login. */
  readonly seconds: number;
  /** The number of logins that exceeded the time limit of the server, and were repeated. */
  readonly cutOff: number;
  /** Memory of the server for each page. */
  readonly bytes: number;
}

export interface NatsSide {
  readonly rounds: Rounds;
  readonly logins: readonly Login[];
  readonly stays: readonly Stay[];
  /** The lifetime of a credential in seconds. */
  readonly ttl: number;
}

export interface NatsSideOptions {
  readonly scratch: string;
  readonly state: State;
  readonly machine: Machine;
  readonly report: (line: string) => void;
}

export const nameOf = (kind: string, transport: Transport) => `${kind}, over ${transport}`;

export async function natsSide({ scratch, state, machine, report }: NatsSideOptions): Promise<NatsSide> {
  const nothing = { rounds: new Map(), logins: [], stays: [], ttl: state.ttl };
  const program = await findNatsServer().catch((error: Error) => {
    report(`!! NO MEASUREMENT of the NATS side: ${error.message}`);
  });
  if (!program) return nothing;
  const { cores } = machine;
  const users = await makeUsers(scratch);
  const server = { scratch, program, core: cores?.work, users };
  const logins: Login[] = [];

  const contender = (kind: string, transport: Transport) => ({
    name: nameOf(kind, transport),
    async measure(): Promise<Measurement> {
      await using running = await startNatsServer(server);
      const { pid, ports } = running;
      const what = [users.files.get(kind) ?? "", transport, String(ports[transport]), String(pid)];
      const measured = await runJson<Omit<Login, "name">>(
        on(cores?.load, bun("bench/nats/log-in.ts", ...what, String(SECONDS))),
      );
      logins.push({ name: nameOf(kind, transport), ...measured });
      return measured;
    },
  });
  const contenders = [
    ...[...users.files.keys()].map((kind) => contender(kind, "WebSocket")),
    ...[SCOPED, INLINE].map((kind) => contender(kind, "TCP")),
  ];
  const rounds = await measureInTurn(contenders, ROUNDS, report);

  const stays: Stay[] = [];
  const file = users.files.get(SCOPED) ?? "";
  for (let round = 1; round <= PAGE_ROUNDS; round++) {
    try {
      await using running = await startNatsServer(server);
      const what = [file, String(running.ports.WebSocket), String(running.pid), String(PAGES)];
      const stay = await runJson<Omit<Stay, "pages">>(on(cores?.load, bun("bench/nats/stay.ts", ...what)));
      stays.push({ pages: PAGES, ...stay });
      report(
        `round ${round} of ${PAGE_ROUNDS}: ${PAGES} pages were logged in after ${stay.seconds.toFixed(1)} s`,
      );
    } catch (error) {
      report(`!! NO MEASUREMENT of ${PAGES} pages: ${(error as Error).message}`);
    }
  }
  return { rounds, logins, stays, ttl: state.ttl };
}

/** The same program that `npm start` uses. */
async function findNatsServer(): Promise<string> {
  const path = await prepareTools(readLocalConfig());
  return Bun.which("nats-server", { PATH: path }) ?? "nats-server";
}
