import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, hasIPv6 } from "../ports.ts";

/** `npm start` as a user runs it, with a data directory and ports of its own. */

const projectDir = join(import.meta.dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "start here-"));
const [nats = 0, webSocket = 0, monitoring = 0, mint = 0] = await freePorts(4);
const env: Record<string, string> = {
  ...(process.env as Record<string, string>),
  DATA_DIR: join(dir, "data"),
  NATS_PORT: String(nats),
  NATS_WS_PORT: String(webSocket),
  NATS_HTTP_PORT: String(monitoring),
  MINT_PORT: String(mint),
  // npm sets this for the tests, and the npm that they start would take it over.
  npm_config_loglevel: "error",
};
const running = new Set<Bun.Subprocess>();

afterAll(() => {
  for (const child of running) child.kill("SIGTERM");
  for (const pid of leftovers()) process.kill(pid, "SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

/** Runs `npm start`; `until` waits for a text in its output, `end` for its exit code. */
function npmStart(more: Record<string, string> = {}, command = ["npm", "start"]) {
  const child = Bun.spawn(command, {
    cwd: projectDir,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  void child.exited.then(() => running.delete(child));
  let output = "";
  const listeners = new Set<() => void>();
  const drain = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) {
      output += new TextDecoder().decode(chunk);
      for (const listener of listeners) listener();
    }
  };
  const drained = Promise.all([drain(child.stdout), drain(child.stderr)]);
  return {
    child,
    output: () => output,
    async until(text: string): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => output.includes(text) && resolve();
      listeners.add(look);
      look();
      await Promise.race([promise, drained]);
      listeners.delete(look);
      if (!output.includes(text)) throw new Error(`"${text}" is not in the output:\n${output}`);
    },
    async end(): Promise<number> {
      await drained;
      return child.exited;
    },
  };
}

const curlLine = (output: string) => /^ {2}(curl .*)$/m.exec(output)?.[1] ?? "";
const ready = "Ctrl-C stops everything";

/** The ids of processes whose environment has this data directory. */
function leftovers(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      if (!(pid > 1) || pid === process.pid) return false;
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(`DATA_DIR=${env.DATA_DIR}`) &&
          readlinkSync(`/proc/${pid}/exe`) !== ""
        );
      } catch {
        return false;
      }
    });
}

const pidIn = (name: string) => Number(readFileSync(join(dir, `data/run/${name}.pid`), "utf8"));

describe("npm start", () => {
  let secrets: string | undefined;
  const secretsFile = join(projectDir, "fs/nats-export/secrets/.env.account");
  beforeAll(() => {
    secrets = existsSync(secretsFile) ? readFileSync(secretsFile, "utf8") : undefined;
  });
  afterAll(async () => {
    if (secrets === undefined) rmSync(secretsFile, { force: true });
    else await Bun.write(secretsFile, secrets, { mode: 0o600 });
  });

  test("starts everything, in a directory with a space, and prints a curl line that works", async () => {
    const start = npmStart();
    await start.until(ready);
    const response = Bun.spawnSync(["sh", "-c", curlLine(start.output())]);
    expect(JSON.parse(String(response.stdout))).toMatchObject({
      user: "alice",
      servers: [`ws://127.0.0.1:${webSocket}`],
    });
    start.child.kill("SIGTERM");
    await start.end();
    expect(leftovers()).toEqual([]);
  });

  test("a second time reuses the state", async () => {
    const start = npmStart();
    await start.until(ready);
    expect(start.output()).toContain("nats-init: nothing to change");
    expect(start.output()).toContain("nats-push: nothing to push: all is in force");
    for (const role of [true, false]) {
      const client = Bun.spawnSync(["npm", "run", "client", "--", "--user", "alice"], {
        cwd: projectDir,
        env: { ...env, USE_WEBSOCKET: String(role) },
      });
      expect(String(client.stdout)).toContain("denied, as it should be: subscribe");
      expect(client.exitCode).toBe(0);
    }
    start.child.kill("SIGTERM");
    await start.end();
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "stops in order on %s and leaves no process",
    async (signal) => {
      const start = npmStart({}, ["sh", "src/local/bun.sh", "src/local/main.ts"]);
      await start.until(ready);
      start.child.kill(signal);
      expect(await start.end()).toBe(0);
      expect(leftovers()).toEqual([]);
      expect(readdirSync(join(dir, "data/run"))).toEqual([]);
    },
  );

  test("stops on a signal in the middle of its start", async () => {
    for (const text of ["nats-init", "nats-push"]) {
      const start = npmStart({}, ["sh", "src/local/bun.sh", "src/local/main.ts"]);
      await start.until(text);
      start.child.kill("SIGINT");
      expect(await start.end()).toBe(0);
      expect(leftovers()).toEqual([]);
    }
  });

  test("on another address of this machine prints a curl line that works there", async () => {
    const start = npmStart({ NATS_BIND: "127.0.0.2" });
    await start.until(ready);
    const response = Bun.spawnSync(["sh", "-c", curlLine(start.output())]);
    expect(JSON.parse(String(response.stdout))).toMatchObject({ servers: [`ws://127.0.0.2:${webSocket}`] });
    start.child.kill("SIGTERM");
    await start.end();
  });

  test("open to the network binds the monitoring to this machine or to NATS_HTTP_BIND, and keeps its path secret", async () => {
    const path = /"(.+)"/.exec(readFileSync(join(dir, "data/nats/config/monitoring.conf"), "utf8"))?.[1];
    for (const [bind, here, elsewhere] of [
      ["", "127.0.0.1", "127.0.0.2"],
      ["127.0.0.2", "127.0.0.2", "127.0.0.1"],
    ] as const) {
      const start = npmStart({ NATS_BIND: "0.0.0.0", NATS_HTTP_BIND: bind });
      await start.until(ready);
      expect((await fetch(`http://${here}:${monitoring}${path}/varz`)).status).toBe(200);
      expect((await fetch(`http://${here}:${monitoring}/varz`)).status).toBe(404);
      expect(await fetch(`http://${elsewhere}:${monitoring}${path}/varz`).catch(() => "refused")).toBe(
        "refused",
      );
      expect(start.output()).toContain(`monitoring  http://${here}:${monitoring}, under the path in `);
      start.child.kill("SIGTERM");
      await start.end();
      expect(start.output() + readFileSync(join(dir, "data/nats-server.log"), "utf8")).not.toContain(
        path as string,
      );
    }
  });

  test("is refused while another one uses the same data, and ends with 1", async () => {
    const first = npmStart();
    await first.until(ready);
    const second = npmStart();
    expect(await second.end()).toBe(1);
    expect(second.output()).toContain(
      `Already running here, as process ${pidIn("launcher")}. Stop it with Ctrl-C`,
    );
    first.child.kill("SIGTERM");
    await first.end();
  });

  test("names every port that is in use and its variable, and ends with 1", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = createServer().listen(webSocket, "127.0.0.1", resolve);
    await promise;
    const start = npmStart();
    expect(await start.end()).toBe(1);
    expect(start.output()).toContain(`Port ${webSocket} (NATS_WS_PORT) is in use by another program`);
    listener.close();
  });

  test.skipIf(!hasIPv6)(
    "names every port that is in use on another address of localhost, and ends with 1",
    async () => {
      const ports = { NATS_PORT: nats, NATS_WS_PORT: webSocket, NATS_HTTP_PORT: monitoring, MINT_PORT: mint };
      const listeners = Object.values(ports).map((port) => createServer().listen(port, "::1"));
      await Promise.all(listeners.map((listener) => once(listener, "listening")));
      const start = npmStart();
      expect(await start.end()).toBe(1);
      for (const [variable, port] of Object.entries(ports)) {
        expect(start.output()).toContain(
          `Port ${port} (${variable}) is in use by another program on ::1, which clients of localhost may reach.`,
        );
      }
      for (const listener of listeners) listener.close();
    },
  );

  test("after its launcher was killed names each service that still runs and what to do", async () => {
    const first = npmStart({}, ["sh", "src/local/bun.sh", "src/local/main.ts"]);
    await first.until(ready);
    const pid = pidIn("server");
    process.kill(pidIn("launcher"), "SIGKILL");
    await first.child.exited;
    const second = npmStart();
    expect(await second.end()).toBe(1);
    expect(second.output()).toContain(
      `nats-server is still running, as process ${pid}, left over from a launcher that was killed. Stop it, then start again: kill ${pid}`,
    );
    process.kill(pid, "SIGKILL");
    const mintPid = pidIn("mint");
    while (leftovers().includes(pid)) await Bun.sleep(10);
    const again = npmStart();
    expect(await again.end()).toBe(1);
    expect(again.output()).toContain(`The mint is still running, as process ${mintPid}, left over`);
    for (const left of leftovers()) process.kill(left, "SIGTERM");
    while (leftovers().length > 0) await Bun.sleep(10);
    const third = npmStart();
    await third.until(ready);
    third.child.kill("SIGTERM");
    await third.end();
  });

  test("reports how the server ended when it is killed, stops the rest and ends with 1", async () => {
    const start = npmStart();
    await start.until(ready);
    process.kill(pidIn("server"), "SIGKILL");
    expect(await start.end()).toBe(1);
    expect(start.output()).toContain("nats-server ended by itself (signal SIGKILL)");
    expect(leftovers()).toEqual([]);
  });

  test("on a damaged state names the damage and ends with 1", async () => {
    truncateSync(join(dir, "data/nsc/current/stores/nats-mint/accounts/app/app.jwt"), 10);
    const start = npmStart();
    expect(await start.end()).toBe(1);
    expect(start.output()).toContain("is damaged: app.jwt is not a JWT");
    expect(start.output()).toContain("start anew, with new keys: rm -r");
    expect(leftovers()).toEqual([]);
  });

  test("with invalid settings names each of them and what is expected", async () => {
    const start = npmStart({ NATS_PORT: "0", NATS_BIND: "localhost", DATA_DIR: join(dir, "other") });
    expect(await start.end()).toBe(1);
    expect(start.output()).toContain('NATS_PORT: got "0", wanted a port, 1 to 65535');
    expect(start.output()).toContain('NATS_BIND: got "localhost", wanted an IP address');
  });

  test("without Go and without the programs names what to install", async () => {
    const bin = join(dir, "bin");
    mkdirSync(bin);
    const path = ["sh", "node", "npm", "dirname", "cmp"]
      .map((name) => `ln -s "$(command -v ${name})" "${bin}/${name}"`)
      .join(" && ");
    expect(Bun.spawnSync(["sh", "-c", path]).exitCode).toBe(0);
    // A checkout in which they have not been built.
    const copy = join(dir, "copy");
    Bun.spawnSync(
      [
        "sh",
        "-c",
        `mkdir "${copy}" && cp -R src demo fs tools .env package.json package-lock.json "${copy}" && ln -s "${projectDir}/node_modules" "${copy}/node_modules"`,
      ],
      { cwd: projectDir },
    );
    const child = Bun.spawnSync(["sh", "src/local/bun.sh", "src/local/main.ts"], {
      cwd: copy,
      env: { ...env, PATH: bin, DATA_DIR: join(dir, "fresh") },
    });
    expect(String(child.stderr)).toContain("neither is Go, which builds them. Install Go 1.26 or later");
    expect(child.exitCode).toBe(1);
  });
});
