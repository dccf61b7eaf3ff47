import { join } from "node:path";
import { MAX_REMEMBERED } from "../src/auth/jwt/verifier.ts";
import { AUDIENCE, startIssuer } from "./issuer.ts";
import { type Load, type LoadResult, load, loadAtRate } from "./load.ts";
import { bun, on, processorSeconds, type Running, type ServerOptions, serve } from "./process.ts";
import { type Measurement, measureInTurn, type Rounds, spreadOf } from "./rounds.ts";
import { checkJwt, keysDir, publicKeysFile, type State, stateFile } from "./state.ts";
import type { Part, PartOptions } from "./targets.ts";

/** `POST /creds`, each server on one core, the load on another. */

const OURS = "nats-mint, everything on, name and public key";
const PLAIN = "plain Hono handler, name and public key";
const RETURNING = "nats-mint, OIDC, returning tokens";
export const FIRST_SEEN = "nats-mint, OIDC, first-seen tokens";
const GO = "Go `net/http`, `go-oidc` and `jwt/v2`, OIDC";
const PLAIN_OIDC = "plain Hono handler and `jose`, OIDC";
const ONE_WORKER = "nats-mint, all cores, one process";
const TWO_WORKERS = "nats-mint, all cores, `MINT_WORKERS=2`";

/** The contenders that are also measured at constant rates. */
const AT_RATES = [OURS, PLAIN, RETURNING, FIRST_SEEN, GO];

type Requests = Pick<Load, "connections" | "tokensFile">;

/**
 * Seconds of load before anything is measured. During the first thirty thousand requests or so the JavaScript compiler
 * works on the server's core, the longer the more code there is.
 */
const WARM_UP = 15;
const CONNECTIONS = 32;
/** Requests a second, for latencies as users meet them. */
const RATES = [500, 1000, 2000, 4000];
/** Milliseconds within which 99 of 100 responses should arrive at each rate. */
const P99_TARGET = 5;
/** The longest p99 at `CONNECTIONS` connections, relative to that of the plain handler. */
const CLOSED_LOOP_TARGET = 1.3;
const BURST = 512;
/** Tokens that are sent repeatedly: of many users, but few enough that all are sent in the warm-up. */
const RETURNING_TOKENS = 1000;
/** So many that none is in the cache when it is sent again. */
const FIRST_SEEN_TOKENS = 4 * MAX_REMEMBERED;

/** The service as it is shipped, but with higher rate limits, since all requests come from one address. */
export function ours(
  scratch: string,
  core: number | undefined,
  settings: Record<string, string>,
): ServerOptions {
  return {
    command: () => on(core, bun("src/service/main.ts")),
    env: (port) => ({
      MINT_PORT: String(port),
      MINT_KEYS_DIR: keysDir(scratch),
      MINT_RATE_LIMIT: "1000000,1000000",
      ...settings,
    }),
    ready: "/readyz",
    log: join(scratch, "audit.log"),
  };
}

export async function http(options: PartOptions): Promise<Part> {
  const { scratch, machine, rounds, report } = options;
  const { goPeers, cores } = machine;
  await using issuer = await startIssuer();
  const firstSeen = { tokensFile: join(scratch, "tokens") };
  const returning = { tokensFile: join(scratch, "returning-tokens") };
  report(`signing ${FIRST_SEEN_TOKENS} OIDC tokens ...`);
  await issuer.writeTokens(firstSeen.tokensFile, FIRST_SEEN_TOKENS);
  await issuer.writeTokens(returning.tokensFile, RETURNING_TOKENS);

  const oidc = {
    MINT_AUTH: "oidc",
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: AUDIENCE,
    MINT_POLICY_FILE: join(import.meta.dirname, "../fs/mint/policy.json"),
  };
  const peer = (command: string[], ...more: string[]): ServerOptions => ({
    command: (port) => on(cores?.work, [...command, stateFile(scratch), String(port), ...more]),
    ready: "/",
  });
  const plain = bun("bench/http/plain.ts");

  await using servers = new AsyncDisposableStack();
  const contender = (name: string, server: ServerOptions, requests: Partial<Requests> = {}) => ({
    name,
    ...servers.use(keptServer(options, server, { connections: CONNECTIONS, ...requests })),
  });
  const dev = ours(scratch, cores?.work, { MINT_AUTH: "dev" });
  const contenders = [
    contender(OURS, dev),
    contender(PLAIN, peer(plain)),
    contender(RETURNING, ours(scratch, cores?.work, oidc), returning),
    contender(FIRST_SEEN, ours(scratch, cores?.work, oidc), firstSeen),
    ...(goPeers ? [contender(GO, peer([goPeers, "serve"], issuer.url, AUDIENCE), firstSeen)] : []),
    contender(PLAIN_OIDC, peer(plain, issuer.url, AUDIENCE), firstSeen),
    contender(`${OURS}, ${BURST} connections`, dev, { connections: BURST }),
    contender(ONE_WORKER, ours(scratch, undefined, { MINT_AUTH: "dev" })),
    contender(TWO_WORKERS, ours(scratch, undefined, { MINT_AUTH: "dev", MINT_WORKERS: "2" })),
  ];
  const measured = await measureInTurn(contenders, rounds, report);
  const atRates = goPeers
    ? await measureAtRates(
        contenders.filter(({ name }) => AT_RATES.includes(name)),
        rounds,
        report,
      )
    : new Map();
  const p99 = spreadOf(measured, OURS, "p99")?.median;
  const plainP99 = spreadOf(measured, PLAIN, "p99")?.median;
  return {
    rounds: measured,
    atRates,
    comparisons: [
      { what: "POST /creds with everything on", one: OURS, other: PLAIN, target: 0.8 },
      { what: "OIDC, returning tokens", one: RETURNING, other: GO, target: 2.5 },
      { what: "OIDC, first-seen tokens", one: FIRST_SEEN, other: GO, target: 1.5 },
      { what: "two workers", one: TWO_WORKERS, other: ONE_WORKER, target: machine.coreCount > 2 ? 1.8 : 1.4 },
    ],
    bounds: [
      {
        what: `POST /creds, p99 at ${CONNECTIONS} connections, relative to the plain handler`,
        unit: "×",
        target: CLOSED_LOOP_TARGET,
        measured: p99 && plainP99 && p99 / plainP99,
      },
      ...[...atRates].map(([rate, rounds]) => ({
        what: `POST /creds, p99 at ${rate} requests a second`,
        unit: "ms",
        target: P99_TARGET,
        measured: spreadOf(rounds, OURS, "p99")?.median,
      })),
    ],
  };
}

/** Measures each contender at each rate, in turn. */
async function measureAtRates(
  contenders: readonly Pick<KeptContender, "name" | "measureAtRate">[],
  rounds: number,
  report: (line: string) => void,
): Promise<ReadonlyMap<number, Rounds>> {
  const all = new Map<number, Rounds>();
  for (const rate of RATES) {
    report(`${rate} requests a second:`);
    const atRate = contenders.map(({ name, measureAtRate }) => ({
      name,
      measure: () => measureAtRate(rate),
    }));
    all.set(rate, await measureInTurn(atRate, rounds, report));
  }
  return all;
}

interface KeptContender {
  readonly name: string;
  readonly measureAtRate: (rate: number) => Promise<Measurement>;
}

/** A server that is started and warmed up for the first measurement, and kept for the others. */
function keptServer(
  { scratch, state, machine, seconds }: PartOptions,
  options: ServerOptions,
  requests: Requests,
) {
  let running: Running | undefined;
  let sent = 0;

  async function loadFor(server: Running, seconds: number): Promise<LoadResult> {
    const loadOptions = { ...requests, url: server.url, publicKeysFile: publicKeysFile(scratch) };
    const result = await load(machine, { ...loadOptions, seconds, first: sent });
    // Requests that had no response yet at the end were sent, but are not counted.
    sent += result.requests + 2 * requests.connections;
    return result;
  }

  async function warm(): Promise<Running> {
    running = await serve(options);
    sent = 0;
    checkJwt(await requestJwt(running, requests, state), state);
    await loadFor(running, WARM_UP);
    return running;
  }

  async function stop(): Promise<void> {
    await running?.[Symbol.asyncDispose]();
    running = undefined;
  }

  /** A server whose state is unknown after an error is started again in the next round. */
  async function measured(run: (server: Running) => Promise<Measurement>): Promise<Measurement> {
    try {
      return await run(running ?? (await warm()));
    } catch (error) {
      await stop();
      throw error;
    }
  }

  return {
    measure: () =>
      measured(async (server) => {
        const usedBefore = processorSeconds(server.pid);
        const result = await loadFor(server, seconds);
        const used = processorSeconds(server.pid) - usedBefore;
        return { ...result, perProcessorSecond: used > 0 ? result.requests / used : undefined };
      }),
    measureAtRate: (rate: number) =>
      measured(async ({ url }) => {
        const first = sent;
        sent += rate * seconds;
        const { tokensFile } = requests;
        return loadAtRate(machine, {
          url,
          rate,
          seconds,
          publicKeysFile: publicKeysFile(scratch),
          tokensFile,
          first,
        });
      }),
    [Symbol.asyncDispose]: stop,
  };
}

/** The JWT in the response to one request. */
async function requestJwt({ url }: Running, { tokensFile }: Requests, state: State): Promise<unknown> {
  const token = tokensFile && (await Bun.file(tokensFile).text()).split("\n")[0];
  const response = await fetch(`${url}/creds`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ public_key: state.publicKeys[0], ...(!token && { user: "alice" }) }),
  });
  if (response.status !== 200)
    throw new Error(`the response was ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { jwt: unknown }).jwt;
}
