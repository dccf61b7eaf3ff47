import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAccount } from "../../src/core/roles/account.fixture.ts";
import { runService, within } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";

/** The mint as a process, with keys that are made here: these tests are about its HTTP port, not about its credentials. */

const projectDir = join(import.meta.dirname, "../..");

/** A directory of keys as `nats-export` writes it. */
async function makeKeys(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "edge-"));
  const { accountJwt, seeds } = await makeAccount();
  mkdirSync(join(dir, "1"));
  writeFileSync(join(dir, "1/account.jwt"), accountJwt);
  writeFileSync(join(dir, "1/roles.json"), '{"browser":{"ttl":60}}');
  writeFileSync(join(dir, "1/browser.nk"), seeds.browser ?? "");
  symlinkSync("1", join(dir, "current"));
  return dir;
}

/**
 * Starts a program that serves the mint, with these settings and no other variables but PATH.
 * @param reader a command that its output is piped through
 */
export async function start(
  settings: Record<string, string> = {},
  program = "src/service/main.ts",
  reader?: string,
) {
  const keysDir = await makeKeys();
  const [port = 0] = await freePorts(1);
  const command = [process.execPath, "--no-env-file", join(projectDir, program)];
  const through = reader ? ["bash", "-c", `exec "$@" > >(${reader})`, "bash"] : [];
  const service = runService([...through, ...command], {
    PATH: process.env.PATH ?? "",
    MINT_AUTH: "dev",
    MINT_PORT: String(port),
    MINT_KEYS_DIR: keysDir,
    MINT_RATE_LIMIT: "off",
    ...settings,
  });
  await service.waitFor(/listens on/);
  return {
    ...service,
    port,
    get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`),
    requestCreds: (headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}/creds`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: BODY,
      }),
    /** @param from the address of this machine that the connection comes from */
    open: (text: string, from?: string) => open(port, text, from),
    async [Symbol.asyncDispose](): Promise<void> {
      await service[Symbol.asyncDispose]();
      rmSync(keysDir, { recursive: true });
    },
  };
}

export type Service = Awaited<ReturnType<typeof start>>;

/** A connection, and the data received on it. */
export function open(port: number, text: string, from?: string) {
  const socket = connect({ port, host: "127.0.0.1", ...(from && { localAddress: from }) });
  const listeners = new Set<() => void>();
  let output = "";
  socket.on("data", (data) => {
    output += data;
    for (const notify of listeners) notify();
  });
  // A reset also closes it.
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => socket.on("close", () => resolve(output)));
  socket.write(text);
  return {
    write: (more: string) => socket.write(more),
    /** Writes, and waits until the kernel has accepted the data. */
    send: (more: string) => new Promise<void>((sent) => socket.write(more, () => sent())),
    destroy: () => socket.destroy(),
    reset: () => socket.resetAndDestroy(),
    output: () => output,
    /** All data, once the service has closed the connection. */
    closed,
    /** Waits until the data matches. */
    async waitFor(what: RegExp): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = () => {
        if (what.test(output)) resolve();
      };
      listeners.add(check);
      check();
      await within(promise, `${what} on a connection`, 60_000).finally(() => listeners.delete(check));
    },
  };
}

export const BODY = '{"user":"alice"}';
export const HEAD = "POST /creds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
/** Half a request. The service responds with `CONTINUE` when it has read the head; the rest is `REST`. */
export const HALF = `${HEAD}Expect: 100-continue\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY.slice(0, 5)}`;
export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";
export const REST = BODY.slice(5);
export const GOOD = `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
