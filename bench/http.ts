import { join } from "node:path";
import { AUDIENCE, startIssuer } from "./issuer.ts";
import { type Load, type Loaded, load } from "./load.ts";
import type { Machine } from "./machine.ts";
import { bun, on, processorSeconds, type Running, type ServerOptions, serve } from "./process.ts";
import { type Contender, inTurn, spreadOf } from "./rounds.ts";
import { checkJwt, keysDir, publicKeysFile, type State, stateFile } from "./state.ts";
import type { Part } from "./targets.ts";

/** `POST /creds`, each server on one core, the load on another. */

const OURS = "nats-mint, everything on, name and public key";
const PLAIN = "plain Hono handler, name and public key";
const RETURNING = "nats-mint, OIDC, returning tokens";
export const FIRST_SEEN = "nats-mint, OIDC, first-seen tokens";
const GO = "Go `net/http`, `go-oidc` and `jwt/v2`, OIDC";
const PLAIN_OIDC = "plain Hono handler and `jose`, OIDC";
const ONE_WORKER = "nats-mint, all cores, one process";
const TWO_WORKERS = "nats-mint, all cores, `MINT_WORKERS=2`";

type Requests = Pick<Load, "connections" | "tokensFile" | "again">;

/** Seconds of load before anything is measured: about as long the compiler of JavaScript is busy, on the server's core. */
const WARM_UP = 5;
const CONNECTIONS = 32;
const BURST = 512;
/** Tokens that come again and again: more people than one, few enough for all to have come in the warm-up. */
const RETURNING_TOKENS = 1000;
/** No server here verifies more tokens a second; one that did would run out of them, and not be measured. */
const MOST_PER_SECOND = 12_000;

export interface HttpOptions {
  readonly scratch: string;
  readonly state: State;
  readonly machine: Machine;
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** The service as it is shipped, but for limits that a load from one address would reach at once. */
export function ours(
  scratch: string,
  core: number | undefined,
  settings: Record<string, string>,
): ServerOptions {
  return {
    command: () => on(core, bun("src/server.ts")),
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

export async function http(options: HttpOptions): Promise<Part> {
  const { scratch, machine, rounds, seconds, say } = options;
  const { goPeers, cores } = machine;
  await using issuer = await startIssuer();
  const firstSeen = { tokensFile: join(scratch, "tokens") };
  const returning = { tokensFile: join(scratch, "returning-tokens"), again: true };
  const count = MOST_PER_SECOND * (WARM_UP + seconds);
  say(`signing ${count} OIDC tokens ...`);
  await issuer.writeTokens(firstSeen.tokensFile, count);
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

  const contender = (name: string, server: ServerOptions, requests: Partial<Requests> = {}): Contender => ({
    name,
    measure: () => measure(options, server, { connections: CONNECTIONS, ...requests }),
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
  const measured = await inTurn(contenders, rounds, say);
  const p99 = spreadOf(measured, OURS, "p99")?.median;
  return {
    rounds: measured,
    comparisons: [
      { what: "POST /creds with everything on", one: OURS, other: PLAIN, target: 0.8 },
      { what: "OIDC, returning tokens", one: RETURNING, other: GO, target: 2.5 },
      { what: "OIDC, first-seen tokens", one: FIRST_SEEN, other: GO, target: 1.5 },
      { what: "two workers", one: TWO_WORKERS, other: ONE_WORKER, target: machine.coreCount > 2 ? 1.8 : 1.4 },
    ],
    bounds: [
      { what: `POST /creds, p99 at ${CONNECTIONS} connections`, unit: "ms", target: 5, measured: p99 },
    ],
  };
}

/** One server, started for this alone: nothing is left of the run before. */
async function measure(
  { scratch, state, machine, seconds }: HttpOptions,
  options: ServerOptions,
  requests: Requests,
): Promise<Loaded> {
  await using server = await serve(options);
  checkJwt(await askOnce(server, requests, state), state);
  const all: Load = { ...requests, url: server.url, seconds, publicKeysFile: publicKeysFile(scratch) };
  const warmUp = await load(machine, { ...all, seconds: WARM_UP });
  // What was under way at the end of the warm-up isn't counted, but was sent.
  const usedBefore = processorSeconds(server.pid);
  const loaded = await load(machine, { ...all, first: warmUp.requests + 2 * requests.connections });
  const used = processorSeconds(server.pid) - usedBefore;
  return { ...loaded, perProcessorSecond: used > 0 ? loaded.requests / used : undefined };
}

/** The JWT in the answer to one request. */
async function askOnce({ url }: Running, { tokensFile }: Requests, state: State): Promise<unknown> {
  const token = tokensFile && (await Bun.file(tokensFile).text()).split("\n")[0];
  const response = await fetch(`${url}/creds`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ public_key: state.publicKeys[0], ...(!token && { user: "someone" }) }),
  });
  if (response.status !== 200) throw new Error(`answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { jwt: unknown }).jwt;
}
