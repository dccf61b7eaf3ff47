import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
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

/** What a line says: without a terminal, `npm start` prints JSON, after two lines of npm. */
function asText(line: string): string {
  if (!line.startsWith("{")) return line;
  const { source = "mint", msg, addresses = {} } = JSON.parse(line);
  const urls = Object.entries(addresses).map(([name, url]) => `\n${name} ${url}`);
  return source === "npm start" ? msg + urls.join("") : `${source}: ${msg}`;
}

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
    for await (const line of createInterface({ input: Readable.fromWeb(stream as never) })) {
      output += `${asText(line)}\n`;
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

  test.each([
    ["in colour", {}],
    ["without colour when NO_COLOR is set", { NO_COLOR: "1" }],
  ])("prints plain lines on a terminal, %s", async (_, more: Record<string, string>) => {
    let output = "";
    const isReady = Promise.withResolvers<void>();
    const child = Bun.spawn(["sh", "src/local/bun.sh", "src/local/main.ts"], {
      cwd: projectDir,
      env: { ...env, TERM: "xterm", ...more },
      terminal: {
        data(_, data) {
          output += new TextDecoder().decode(data);
          if (output.includes(ready)) isReady.resolve();
        },
      },
    });
    running.add(child);
    await Promise.race([isReady.promise, child.exited]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    running.delete(child);
    expect(output.includes("\x1b[")).toBe(!more.NO_COLOR);
    const plain = Bun.stripANSI(output).replaceAll("\r", "");
    expect(plain).toMatch(/^nats-init: nothing to change$/m);
    expect(plain).toMatch(/^\d\d:\d\d:\d\d mint: MINT_AUTH=dev accepts every caller/m);
    expect(plain).toMatch(new RegExp(`^ {2}mint {8}http://127.0.0.1:${mint}$`, "m"));
    expect(plain).not.toContain('{"level"');
  });

  test("prints JSON elsewhere, one object in each line", async () => {
    const child = Bun.spawn(["sh", "src/local/bun.sh", "src/local/main.ts"], {
      cwd: projectDir,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    const entries = [];
    for await (const line of createInterface({ input: Readable.fromWeb(child.stdout as never) })) {
      const entry = JSON.parse(line);
      entries.push(entry);
      if (entry.addresses) child.kill("SIGTERM");
    }
    expect(await new Response(child.stderr).text()).toBe("");
    expect(await child.exited).toBe(0);
    running.delete(child);
    for (const entry of entries) {
      expect(entry).toMatchObject({
        level: expect.stringMatching(/^(info|warn)$/),
        time: expect.stringMatching(/Z$/),
        msg: expect.any(String),
      });
    }
    expect(entries.find(({ addresses }) => addresses).addresses).toEqual({
      mint: `http://127.0.0.1:${mint}`,
      NATS: `nats://127.0.0.1:${nats}`,
      WebSocket: `ws://127.0.0.1:${webSocket}`,
      monitoring: `http://127.0.0.1:${monitoring}`,
    });
  });

  test("is found by the example client, which needs no port for it", async () => {
    const start = npmStart();
    await start.until(ready);
    const { MINT_PORT: _, ...others } = env;
    const client = Bun.spawnSync(["npm", "run", "client", "--", "--user", "alice"], {
      cwd: projectDir,
      env: others,
    });
    expect(String(client.stderr)).toBe("");
    expect(String(client.stdout)).toContain(`connected to 127.0.0.1:${webSocket} as alice`);
    start.child.kill("SIGTERM");
    await start.end();
    const later = Bun.spawnSync(["npm", "run", "client", "--", "--user", "alice"], {
      cwd: projectDir,
      env: others,
    });
    expect(String(later.stdout) + String(later.stderr)).not.toContain(String(mint));
  });

  /** The statuses of the mint's preflight and of the WebSocket handshake, for a page of this origin. */
  async function statuses(origin: string): Promise<number[]> {
    const preflight = await fetch(`http://127.0.0.1:${mint}/creds`, {
      method: "OPTIONS",
      headers: { Origin: origin, "Access-Control-Request-Method": "POST" },
    });
    const handshake = request(`http://127.0.0.1:${webSocket}/`, {
      headers: {
        Origin: origin,
        Connection: "Upgrade",
        Upgrade: "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
      },
    }).end();
    const response = await new Promise<number>((resolve) => {
      handshake.on("upgrade", ({ statusCode = 0 }, socket) => {
        socket.destroy();
        resolve(statusCode);
      });
      handshake.on("response", ({ statusCode = 0 }) => resolve(statusCode));
    });
    handshake.destroy();
    return [preflight.status, response];
  }

  test("with dev lets pages of development servers in, and logs how to allow others", async () => {
    const start = npmStart();
    await start.until(ready);
    for (const port of [3000, 4173, 5173, 5180, 8080]) {
      for (const host of ["localhost", "127.0.0.1"])
        expect([port, await statuses(`http://${host}:${port}`)]).toEqual([port, [204, 101]]);
    }
    for (const host of ["localhost", "127.0.0.1", "[::1]"])
      expect(await statuses(`http://${host}:${mint}`)).toEqual([204, 101]);
    expect(await statuses("http://localhost:4444")).toEqual([403, 403]);
    expect(await statuses("https://localhost:5173")).toEqual([403, 403]);
    await start.until(`8080","http://127.0.0.1:8080","http://localhost:3000"`);
    await start.until(`"http://localhost:4444"]'`);
    start.child.kill("SIGTERM");
    await start.end();
    const other = npmStart({ MINT_AUTH: "api-key", NATS_WS_ORIGINS: '["http://localhost:3000"]' });
    await other.until(ready);
    expect(await statuses("http://localhost:3000")).toEqual([204, 101]);
    expect(await statuses("http://localhost:5174")).toEqual([403, 403]);
    other.child.kill("SIGTERM");
    await other.end();
    expect(other.output()).not.toContain("a page of");
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
      expect(start.output()).toContain(`monitoring http://${here}:${monitoring}\n`);
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
    const mintPid = pidIn("mint");
    process.kill(pidIn("launcher"), "SIGKILL");
    await first.child.exited;
    const second = npmStart();
    expect(await second.end()).toBe(1);
    for (const each of [
      `nats-server is still running, as process ${pid}`,
      `The mint is still running, as process ${mintPid}`,
    ]) {
      expect(second.output()).toContain(`${each}, left over from a launcher that was killed.`);
    }
    expect(second.output()).toContain(`Stop them, then start again: kill ${pid} ${mintPid}`);
    process.kill(pid, "SIGKILL");
    while (leftovers().includes(pid)) await Bun.sleep(10);
    const again = npmStart();
    expect(await again.end()).toBe(1);
    expect(again.output()).toContain(
      `The mint is still running, as process ${mintPid}, left over from a launcher that was killed. Stop it, then start again: kill ${mintPid}`,
    );
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
});

/** What `npm start` says before it starts anything, in a checkout in which the programs have not been built. */
describe("a fresh checkout", () => {
  const bin = join(dir, "bin");
  const copy = join(dir, "copy");
  const state = join(dir, "fresh");

  beforeAll(() => {
    mkdirSync(bin);
    const links = ["sh", "node", "npm", "dirname", "cmp"]
      .map((name) => `ln -s "$(command -v ${name})" "${bin}/${name}"`)
      .join(" && ");
    expect(Bun.spawnSync(["sh", "-c", links]).exitCode).toBe(0);
    const files = "src demo fs tools .env package.json package-lock.json";
    const command = `mkdir "${copy}" && cp -R ${files} "${copy}" && ln -s "${projectDir}/node_modules" "${copy}/node_modules"`;
    expect(Bun.spawnSync(["sh", "-c", command], { cwd: projectDir }).exitCode).toBe(0);
  });

  /** Runs the launcher there, or another program, to its end. */
  function run(more: Record<string, string> = {}, ...program: string[]) {
    if (program.length === 0) program.push("src/local/main.ts");
    const child = Bun.spawnSync(["sh", "src/local/bun.sh", ...program], {
      cwd: copy,
      env: { ...env, PATH: bin, DATA_DIR: state, ...more },
    });
    const lines = (output: Buffer) => String(output).trim().split("\n").filter(Boolean);
    return {
      exitCode: child.exitCode,
      stdout: lines(child.stdout),
      output: [...lines(child.stdout), ...lines(child.stderr)].map(asText).join("\n"),
    };
  }

  /** Puts a program named `go` on a PATH, which does what the shell script says. */
  function pathWithGo(script: string): string {
    const path = join(dir, `go-${Bun.hash(script)}`);
    mkdirSync(path);
    writeFileSync(join(path, "go"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return `${path}:${bin}`;
  }

  const FAILING_GO = `case $1 in
  list) echo "go: downloading example.com/a v1.0.0" >&2; echo a; echo a/b; echo a/c ;;
  install) echo a >&2; echo a/b >&2; echo "a/c/c.go:1:1: undefined: nothing" >&2; exit 1 ;;
esac`;

  test("without Go and without the programs names what to install", () => {
    const { exitCode, output } = run();
    expect(output).toContain("neither is Go, which builds them. Install Go 1.26 or later");
    expect(exitCode).toBe(1);
  });

  test.each([
    ["NATS_MAX_CONNECTIONS", "-1", "wanted a whole number from 1"],
    ["NATS_JS_MEMORY", "2G", "wanted a size such as 256MB or 10GB"],
    ["MINT_RATE_LIMIT", "many", "wanted requests a minute"],
    ["MINT_AUTH", "none", "wanted a comma-separated list of oidc, api-key, dev"],
    ["NATS_WS_ORIGINS", '["https://bücher.example"]', "https://xn--bcher-kva.example"],
    ["MINT_ALLOWED_ORIGINS", '["HTTPS://app.example.com:443"]', "https://app.example.com"],
  ])("with %s=%s says what is wanted, before anything is built or made", (name, value, sentence) => {
    const { exitCode, output } = run({ [name]: value, DATA_DIR: `${state}-none` });
    expect(output).toContain(`${name}: got `);
    expect(output).toContain(sentence);
    expect(output).not.toContain("Go");
    expect(exitCode).toBe(1);
    expect(existsSync(`${state}-none`)).toBe(false);
  });

  describe("with a .env.local", () => {
    const own = join(copy, ".env.local");
    const runWith = (text: string | Uint8Array) => {
      writeFileSync(own, text);
      return run();
    };
    afterAll(() => rmSync(own, { force: true }));

    test("takes its values in place of those of .env, as Docker Compose reads them", () => {
      const { output } = runWith(
        '\ufeffNATS_MAX_CONNECTIONS="-1"\r\nNATS_WS_ORIGINS="[\\"http://x:80\\"]"\r\n',
      );
      expect(output).toContain('NATS_MAX_CONNECTIONS: got "-1"');
      expect(output).toContain("http://x");
    });

    test("in UTF-16 refuses it with a sentence", () => {
      expect(runWith(Buffer.from("\ufeffNATS_PORT=1\n", "utf16le")).output).toContain(
        ".env.local: is not UTF-8. Save it as UTF-8",
      );
    });

    test("that Compose can't read refuses it with the line", () => {
      expect(runWith("A=1\nMINT PORT=1\n").output).toContain(".env.local, line 2: wanted NAME=value");
    });

    test("and a wrong policy of one's own refuses that before anything is made", () => {
      const policy = join(copy, "fs/mint/policy.local.json");
      writeFileSync(policy, '{"rules":[{"when":{},"grant":{"rolle":"x"}}]}');
      const { output } = runWith(
        "MINT_AUTH=oidc\nOIDC_ISSUER=https://login.example.com\nOIDC_AUDIENCE=nats\n",
      );
      rmSync(policy);
      expect(output).toContain("policy.local.json: ");
      expect(output).toContain("rolle");
      expect(output).toContain("Nothing was started.");
    });
  });

  test("says what is built and how far it is, and Go's own message when that fails", () => {
    const { exitCode, stdout, output } = run({ PATH: pathWithGo(FAILING_GO) });
    const entries = stdout.map((line) => JSON.parse(line));
    expect(entries.map(({ msg }) => msg)).toEqual([
      "Building nats-server, nsc, nats, jq with Go, which takes a minute or more. Later starts don't need it.",
      expect.stringMatching(/^Building nats-server, nsc, nats, jq with Go: 1 module downloaded, \d+ s$/),
    ]);
    expect(entries[1]).toMatchObject({ downloaded: 1, seconds: expect.any(Number) });
    expect(output).toContain("go: a/c/c.go:1:1: undefined: nothing");
    expect(output).toContain("Go could not build them: see the message above. Nothing was started.");
    expect(output).not.toContain("go: a/b");
    expect(exitCode).toBe(1);
    expect(readdirSync(copy).filter((name) => name.startsWith(".tools."))).toEqual([]);
  });

  test("builds only the programs that are missing", () => {
    const have = join(dir, "have");
    mkdirSync(have);
    const version = (module: string) =>
      readFileSync(join(projectDir, "tools/go.mod"), "utf8").match(`${module} v(\\S+)`)?.[1];
    const script = (text: string) => `#!/bin/sh\necho "${text}"\n`;
    writeFileSync(join(have, "jq"), script("jq-1.8.1"), { mode: 0o755 });
    const natsServer = script(`nats-server: v${version("github.com/nats-io/nats-server/v2")}`);
    writeFileSync(join(have, "nats-server"), natsServer, { mode: 0o755 });
    const { output } = run({ PATH: `${have}:${pathWithGo(`${FAILING_GO}\n# for nsc and nats`)}` });
    expect(output).toContain("Building nsc, nats with Go");
  });

  test("checks the ports before it builds", async () => {
    const listener = createServer().listen(mint, "127.0.0.1");
    await once(listener, "listening");
    const { exitCode, output } = run({ PATH: pathWithGo("echo built >&2; exit 1") });
    listener.close();
    expect(output).toContain(`Port ${mint} (MINT_PORT) is in use by another program`);
    expect(output).not.toContain("Building");
    expect(exitCode).toBe(1);
  });

  test("warns of misspelt variables and of files that are ignored", () => {
    const own = join(copy, "fs/nats-init/roles.local");
    mkdirSync(own, { recursive: true });
    const ignored = [
      "fs/nats-init/roles/x.jsonc",
      "fs/nats-init/roles/y.JSON",
      "fs/nats-init/roles.local/mine.json5",
      "fs/nats-push/streams/Z.yaml",
    ];
    writeFileSync(join(copy, ".env.local"), "OIDC_ISSUERS=x\n");
    for (const file of ignored) writeFileSync(join(copy, file), "{}");
    const { output } = run({ MINT_PROT: "1" });
    const checked = run({}, "src/cli/main.ts", "roles", "check").output;
    for (const file of [...ignored, ".env.local"]) rmSync(join(copy, file));
    expect(output).toContain(
      "MINT_PROT in the environment is not a setting, and is ignored. Did you mean MINT_PORT?",
    );
    expect(output).toContain(
      "OIDC_ISSUERS in .env.local is not a setting, and is ignored. Did you mean OIDC_ISSUER?",
    );
    for (const file of ignored) {
      const kind = file.includes("roles") ? "role" : "stream";
      const warning = `${file} is ignored: the name of a ${kind} file ends in .json`;
      expect(output).toContain(warning);
      expect(checked.includes(warning)).toBe(kind === "role");
    }
    expect(run().output).not.toContain("ignored");
  });

  test("warns of a misspelt variable also when another one is missing because of it", () => {
    const { exitCode, output } = run({
      MINT_AUTH: "oidc",
      OIDC_ISSUER: "https://login.example.com",
      OIDC_AUDIANCE: "nats",
    });
    expect(output).toContain("Did you mean OIDC_AUDIENCE?");
    expect(output).toContain("OIDC_AUDIENCE: is not set");
    expect(exitCode).toBe(1);
  });

  test("without .env says how to get it back", () => {
    renameSync(join(copy, ".env"), join(copy, "env"));
    const { exitCode, output } = run();
    renameSync(join(copy, "env"), join(copy, ".env"));
    expect(output).toContain(
      ".env is missing. It has all settings of the recipe. Restore it: git checkout .env",
    );
    expect(output.split("\n")).toHaveLength(1);
    expect(exitCode).toBe(1);
  });

  test.each(["0.12.18", "6.17.1", "18.20.8", "20.11.1"])(
    "with Node %s says which one is needed",
    (version) => {
      const pretend = join(dir, `node-${version}.cjs`);
      writeFileSync(pretend, `Object.defineProperty(process.versions, "node", { value: "${version}" });`);
      const { exitCode, output } = run({ NODE_OPTIONS: `--require "${pretend}"` });
      expect(output).toBe(
        `Node ${version} is too old: this needs Node 20.12 or later. Install it (https://nodejs.org), then run the command again.`,
      );
      expect(exitCode).toBe(1);
    },
  );

  test.each(["20.12.0", "22.0.0", "100.1.0"])("with Node %s goes on", (version) => {
    const pretend = join(dir, `node-${version}.cjs`);
    writeFileSync(pretend, `Object.defineProperty(process.versions, "node", { value: "${version}" });`);
    expect(run({ NODE_OPTIONS: `--require "${pretend}"` }).output).toContain("neither is Go");
  });
});
