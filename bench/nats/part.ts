import { readLocalConfig } from "../../src/config/local.ts";
import { prepareTools } from "../../src/local/tools.ts";
import type { Machine } from "../machine.ts";
import { answerOf, bun, on } from "../process.ts";
import { inTurn, type Measurement, type Rounds } from "../rounds.ts";
import type { State } from "../state.ts";
import { startNatsServer, type Transport } from "./server.ts";
import { INLINE, makeUsers, SCOPED } from "./users.ts";

/** What credentials cost where they are used: a nats-server on one core, those who log in on another. */

export const ROUNDS = 4;
/** Of one measurement. Half as long before it, one logs in after the other. */
export const SECONDS = 1;
const PAGES = 2000;
const PAGE_ROUNDS = 3;

/** Logins with one kind of credential. */
export interface Login extends Measurement {
  readonly name: string;
  /** Milliseconds that one takes when there is no other: the middle one, and in `p99` what 99 of 100 stay within. */
  readonly alone: number;
  readonly p99: number;
  readonly connectBytes: number;
  readonly jwtBytes: number;
}

/** Pages that all logged in at the same moment, and stayed. */
export interface Stay {
  readonly pages: number;
  /** Until the last one was in. */
  readonly seconds: number;
  /** Times that one was too late for the server, and dialled again. */
  readonly cutOff: number;
  /** The memory of the server for each. */
  readonly bytes: number;
}

export interface NatsSide {
  readonly rounds: Rounds;
  readonly logins: readonly Login[];
  readonly stays: readonly Stay[];
  /** Seconds that a credential lives. */
  readonly ttl: number;
}

export interface NatsSideOptions {
  readonly scratch: string;
  readonly state: State;
  readonly machine: Machine;
  readonly say: (line: string) => void;
}

export const nameOf = (kind: string, transport: Transport) => `${kind}, over ${transport}`;

export async function natsSide({ scratch, state, machine, say }: NatsSideOptions): Promise<NatsSide> {
  const nothing = { rounds: new Map(), logins: [], stays: [], ttl: state.ttl };
  const program = await findNatsServer().catch((error: Error) => {
    say(`!! NO MEASUREMENT of the NATS side: ${error.message}`);
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
      const measured = await answerOf<Omit<Login, "name">>(
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
  const rounds = await inTurn(contenders, ROUNDS, say);

  const stays: Stay[] = [];
  const file = users.files.get(SCOPED) ?? "";
  for (let round = 1; round <= PAGE_ROUNDS; round++) {
    try {
      await using running = await startNatsServer(server);
      const what = [file, String(running.ports.WebSocket), String(running.pid), String(PAGES)];
      const stay = await answerOf<Omit<Stay, "pages">>(on(cores?.load, bun("bench/nats/stay.ts", ...what)));
      stays.push({ pages: PAGES, ...stay });
      say(`round ${round} of ${PAGE_ROUNDS}: ${PAGES} pages were in after ${stay.seconds.toFixed(1)} s`);
    } catch (error) {
      say(`!! NO MEASUREMENT of ${PAGES} pages: ${(error as Error).message}`);
    }
  }
  return { rounds, logins, stays, ttl: state.ttl };
}

/** The one that `npm start` uses too. */
async function findNatsServer(): Promise<string> {
  const path = await prepareTools(readLocalConfig());
  return Bun.which("nats-server", { PATH: path }) ?? "nats-server";
}
