import { join } from "node:path";
import { MAX_REMEMBERED } from "../src/auth/jwt/verifier.ts";
import { AUDIENCE, startIssuer } from "./issuer.ts";
import { type Load, type Loaded, load } from "./load.ts";
import { bun, on, processorSeconds, type Running, type ServerOptions, serve } from "./process.ts";
import { inTurn, type Measurement, spreadOf } from "./rounds.ts";
import { checkJwt, keysDir, publicKeysFile, type State, stateFile } from "./state.ts";
import type { Measuring, Part } from "./targets.ts";

/** `POST /creds`, each server on one core, the load on another. */

const OURS = "nats-mint, everything on, name and public key";
const PLAIN = "plain Hono handler, name and public key";
const RETURNING = "nats-mint, OIDC, returning tokens";
export const FIRST_SEEN = "nats-mint, OIDC, first-seen tokens";
const GO = "Go `net/http`, `go-oidc` and `jwt/v2`, OIDC";
const PLAIN_OIDC = "plain Hono handler and `jose`, OIDC";
const ONE_WORKER = "nats-mint, all cores, one process";
const TWO_WORKERS = "nats-mint, all cores, `MINT_WORKERS=2`";

type Requests = Pick<Load, "connections" | "tokensFile">;

/**
 * Seconds of load before anything is measured. The compiler of JavaScript is at work on the server's core for the first
 * thirty thousand requests or so: the more, the more code there is.
 */
const WARM_UP = 15;
const CONNECTIONS = 32;
const BURST = 512;
/** Tokens that come again and again: more people than one, few enough for all to have come in the warm-up. */
const RETURNING_TOKENS = 1000;
/** Each is forgotten long before it comes again. */
const FIRST_SEEN_TOKENS = 4 * MAX_REMEMBERED;

/** The service as it is shipped, but for limits that a load from one address would reach at once. */
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

export async function http(options: Measuring): Promise<Part> {
  const { scratch, machine, rounds, say } = options;
  const { goPeers, cores } = machine;
  await using issuer = await startIssuer();
  const firstSeen = { tokensFile: join(scratch, "tokens") };
  const returning = { tokensFile: join(scratch, "returning-tokens") };
  say(`signing ${FIRST_SEEN_TOKENS} OIDC tokens ...`);
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
    measure: servers.use(kept(options, server, { connections: CONNECTIONS, ...requests })).measure,
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

/** A server that is started and warmed up for the first measurement, and stays for the others. */
function kept({ scratch, state, machine, seconds }: Measuring, options: ServerOptions, requests: Requests) {
  let running: Running | undefined;
  let sent = 0;

  async function loadFor(server: Running, seconds: number): Promise<Loaded> {
    const what = { ...requests, url: server.url, publicKeysFile: publicKeysFile(scratch) };
    const loaded = await load(machine, { ...what, seconds, first: sent });
    // What was under way at the end isn't counted, but was sent.
    sent += loaded.requests + 2 * requests.connections;
    return loaded;
  }

  async function warm(): Promise<Running> {
    running = await serve(options);
    sent = 0;
    checkJwt(await askOnce(running, requests, state), state);
    await loadFor(running, WARM_UP);
    return running;
  }

  async function stop(): Promise<void> {
    await running?.[Symbol.asyncDispose]();
    running = undefined;
  }

  return {
    async measure(): Promise<Measurement> {
      try {
        const server = running ?? (await warm());
        const usedBefore = processorSeconds(server.pid);
        const loaded = await loadFor(server, seconds);
        const used = processorSeconds(server.pid) - usedBefore;
        return { ...loaded, perProcessorSecond: used > 0 ? loaded.requests / used : undefined };
      } catch (error) {
        // Nobody knows what it has been through: the next round has a new one.
        await stop();
        throw error;
      }
    },
    [Symbol.asyncDispose]: stop,
  };
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
