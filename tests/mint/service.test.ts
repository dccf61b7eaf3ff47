import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, connect as openSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { type Environment, logIn, makeEnvironment, runService } from "./parts.ts";

/** The mint as a process: its start, changes of its keys, its stop, and its output. */

const projectDir = join(import.meta.dirname, "../..");
const SECRET = /S[A-Z][A-Z2-7]{56}|eyJ[\w-]{10}/;

let environment: Environment;
let dir: string;

beforeAll(async () => {
  environment = await makeEnvironment();
  dir = mkdtempSync(join(tmpdir(), "service-"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await environment[Symbol.asyncDispose]();
});

/** The service with these settings, and no other variables but PATH. */
function launch(settings: Record<string, string>) {
  const env = { PATH: process.env.PATH ?? "", ...settings };
  return runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], env);
}

/** The service, listening, with the recipe's keys unless the settings name others. */
async function start(settings: Record<string, string> = {}) {
  const [port] = await freePorts(1);
  const service = launch({
    MINT_AUTH: "dev",
    MINT_PORT: String(port),
    MINT_RATE_LIMIT: "off",
    MINT_KEYS_DIR: environment.recipe.env.KEYS_DIR ?? "",
    ...settings,
  });
  await service.waitFor(/mint listens on/);
  const url = `http://127.0.0.1:${port}`;
  return {
    ...service,
    port: port as number,
    get: (path: string) => fetch(url + path),
    requestCreds: (body: object, headers: Record<string, string> = {}) =>
      fetch(`${url}/creds`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
  };
}

type Service = Awaited<ReturnType<typeof start>>;

async function codeOf(response: Promise<Response>): Promise<string> {
  return ((await (await response).json()) as { code: string }).code;
}

describe("a wrong configuration", () => {
  async function refused(settings: Record<string, string>): Promise<string[]> {
    await using service = launch(settings);
    expect(await service.ended).toBe(1);
    return service.output().trimEnd().split("\n");
  }

  const good = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/nowhere" };

  test("ends the service with exit code 1 and one line for each variable: its name, its value, the expected form", async () => {
    const lines = await refused({
      MINT_AUTH: "unknown",
      MINT_PORT: "70000",
      MINT_DEFAULT_ROLE: "a.b",
      MINT_DEV_HOSTS: "http://mint.example.com",
      MINT_ALLOWED_ORIGINS: "https://app.example.com",
      NATS_WS_URLS: "http://localhost:9222",
      NATS_TCP_URLS: "nats://localhost:4222,4223",
    });
    expect(lines.map((line) => line.split(":")[0]).sort()).toEqual([
      "MINT_ALLOWED_ORIGINS",
      "MINT_AUTH",
      "MINT_DEFAULT_ROLE",
      "MINT_DEV_HOSTS",
      "MINT_KEYS_DIR",
      "MINT_PORT",
      "NATS_TCP_URLS",
      "NATS_WS_URLS",
    ]);
    for (const line of lines) expect(line).toMatch(/^[A-Z_]+: (got ".+"|is not set), wanted .+/);
  });

  test("is reported without a secret that is in the wrong variable", async () => {
    const seed = `SA${"B".repeat(56)}`;
    const lines = await refused({
      ...good,
      MINT_DEFAULT_ROLE: `${seed}.`,
      NATS_TCP_URLS: "http://alice:hunter2@localhost",
    });
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toMatch(/SAB|hunter2/);
  });

  test("is one without a valid authentication method", async () => {
    for (const auth of [
      {},
      { MINT_AUTH: "" },
      { MINT_AUTH: " " },
      { MINT_AUTH: "DEV" },
      { MINT_AUTH: "none" },
    ]) {
      const lines = await refused({ MINT_KEYS_DIR: "/nowhere", ...auth });
      expect(lines).toHaveLength(1);
      expect(lines[0]).toStartWith("MINT_AUTH: ");
    }
  });

  test("is one with dev authentication in production", async () => {
    const lines = await refused({ ...good, NODE_ENV: "production" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^MINT_AUTH: got "dev", wanted .*production/);
  });

  test("is one with a port or an address that can't be used; the error is one sentence", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    expect(await refused({ ...good, MINT_PORT: String(port) })).toEqual([
      `port ${port} on 127.0.0.1 is in use; MINT_PORT chooses another`,
    ]);
    taken.close();
    const [line, ...more] = await refused({ ...good, MINT_PORT: String(port), MINT_HOST: "192.0.2.1" });
    expect(line).toStartWith("can't listen on 192.0.2.1");
    expect(more).toEqual([]);
  });
});

describe("keys", () => {
  /** Switches the directory of keys to another version in one step, as the export does. */
  function switchTo(keysDir: string, name: string): void {
    symlinkSync(name, join(keysDir, "new"));
    renameSync(join(keysDir, "new"), join(keysDir, "current"));
  }

  test("may appear later, change and become invalid: the response is 503 until there are some, then the last valid ones are used", async () => {
    const keysDir = join(dir, "keys");
    mkdirSync(keysDir);
    await using service = await start({ MINT_KEYS_DIR: keysDir });
    const early = await service.requestCreds({ user: "alice" });
    expect(early.status).toBe(503);
    expect(early.headers.get("Retry-After")).toMatch(/^\d+$/);
    expect(await early.json()).toMatchObject({ code: "keys_unavailable" });
    expect((await service.get("/readyz")).status).toBe(503);
    expect((await service.get("/healthz")).status).toBe(200);

    const exported = join(environment.recipe.env.KEYS_DIR ?? "", "current/");
    cpSync(exported, join(keysDir, "1"), { recursive: true });
    switchTo(keysDir, "1");
    await service.waitFor(/keys .*\/1 loaded, roles: backend, browser, page, room, service/);
    expect((await service.get("/readyz")).status).toBe(200);
    expect((await service.requestCreds({ user: "alice" })).status).toBe(200);

    cpSync(exported, join(keysDir, "2"), { recursive: true });
    writeFileSync(join(keysDir, "2/account.jwt"), "broken");
    switchTo(keysDir, "2");
    await service.waitFor(/"warn".*no new keys: the account JWT is broken/);
    expect((await service.requestCreds({ user: "alice" })).status).toBe(200);

    cpSync(exported, join(keysDir, "3"), { recursive: true });
    rmSync(join(keysDir, "3/service.nk"));
    writeFileSync(join(keysDir, "3/roles.json"), '{"browser":{"ttl":60}}');
    switchTo(keysDir, "3");
    await service.waitFor(/keys .*\/3 loaded, roles: browser"/);
    expect(await codeOf(service.requestCreds({ user: "alice", role: "service" }))).toBe("role_not_allowed");
    const { issued_at, expires_at } = (await (await service.requestCreds({ user: "alice" })).json()) as never;
    expect(expires_at - issued_at).toBe(60);
    expect(service.output()).not.toMatch(SECRET);
  });

  test("of a role that is added to the recipe are used without a restart, and the server accepts their credentials", async () => {
    await using service = await start();
    expect(await codeOf(service.requestCreds({ user: "alice", role: "guest" }))).toBe("role_not_allowed");
    environment.recipe.writeRole("guest", {
      pub: { allow: ["guests.{{name()}}.>"] },
      sub: { allow: ["guests.{{name()}}.>"] },
    });
    await environment.recipe.up();
    await service.waitFor(/roles: backend, browser, guest, page, room, service/);
    const response = await service.requestCreds({ user: "alice", role: "guest" });
    const { jwt, seed } = (await response.json()) as { jwt: string; seed: string };
    await using alice = await logIn({ jwt, seed, servers: [environment.url("tcp")] });
    const received = await alice.subscribe("guests.alice.>");
    alice.nc.publish("guests.alice.x", "hello");
    await alice.nc.flush();
    expect(received.messages).toEqual(["hello"]);
  });
});

describe("a stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`by ${signal} ends it with exit code 0 and soon, although clients are still connected`, async () => {
      await using service = await start();
      const idle = await keepAlive(service);
      const slow = openSocket(service.port, "127.0.0.1");
      slow.write(`${head("Content-Length: 100")}{`);
      await once(slow, "connect");
      const response = once(slow, "data");
      service.kill(signal);
      // A request that has begun is finished: the usual time limit applies to the body, which never arrives.
      expect(String(await response)).toStartWith("HTTP/1.1 408");
      expect(await service.ended).toBe(0);
      idle.destroy();
      slow.destroy();
    });
  }

  async function keepAlive({ port }: Service) {
    const socket = openSocket(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [response] = await once(socket, "data");
    expect(String(response)).toStartWith("HTTP/1.1 200");
    return socket;
  }
});

describe("dev authentication", () => {
  test("logs one warning that it accepts every caller", async () => {
    await using service = await start();
    await service.waitFor(/keys .* loaded/);
    expect(service.output().match(/"level":"warn"/g)).toHaveLength(1);
    expect(service.output()).toMatch(/"warn".*MINT_AUTH=dev accepts every caller/);
  });

  test("accepts the host names of this machine and of MINT_DEV_HOSTS only", async () => {
    await using service = await start({ MINT_DEV_HOSTS: "mint.example.com, other.example.com" });
    const status = async (host: string) =>
      (await service.requestCreds({ user: "alice" }, { Host: host })).status;
    for (const host of [
      "localhost",
      "LOCALHOST:1",
      `127.0.0.1:${service.port}`,
      "[::1]:80",
      "mint.example.com",
      "Other.Example.Com:8080",
    ]) {
      expect([host, await status(host)]).toEqual([host, 200]);
    }
    for (const host of [
      "evil.example.com",
      "localhost.evil.example.com",
      "mint.example.com.evil.org",
      "evil.org:80@localhost",
      "localhost.",
      "127.0.0.1.nip.io",
      "127.1",
      "0.0.0.0",
      "2130706433",
      "localhost:80:80",
      "localhost, evil.org",
    ]) {
      // 404 where the host makes the URL invalid, so that there is no path either.
      expect([host, await status(host)]).not.toEqual([host, 200]);
    }
  });
});

describe("the output", () => {
  test("contains no seed and no JWT, whatever the requests contain", async () => {
    await using service = await start();
    const { jwt, seed } = (await (await service.requestCreds({ user: "alice" })).json()) as never;
    for (const body of [
      { user: "alice" },
      { user: seed },
      { user: jwt },
      { public_key: seed, user: "a" },
      { [seed]: 1 },
    ]) {
      await service.requestCreds(body);
    }
    await service.requestCreds(
      { user: "alice" },
      { Authorization: `Bearer ${jwt}`, Host: "evil.example.com" },
    );
    await service.requestCreds({ user: "alice" }, { Accept: "text/plain" });
    await service.get(`/creds?jwt=${jwt}`);
    service.kill("SIGTERM");
    await service.ended;
    expect(service.output()).toContain("mint listens on");
    expect(service.output()).not.toMatch(SECRET);
  });
});

const head = (more: string) =>
  `POST /creds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n\r\n`;
