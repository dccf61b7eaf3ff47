import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, connect as openSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { logIn, makeWorld, runService, type World } from "./parts.ts";

/** The mint as a process: how it starts, follows its keys, stops, and what it says meanwhile. */

const projectDir = join(import.meta.dirname, "../..");
const SECRET = /S[A-Z][A-Z2-7]{56}|eyJ[\w-]{10}/;

let world: World;
let dir: string;

beforeAll(async () => {
  world = await makeWorld();
  dir = mkdtempSync(join(tmpdir(), "service-"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await world[Symbol.asyncDispose]();
});

/** The service with these settings and nothing else from around here. */
function launch(settings: Record<string, string>) {
  const env = { PATH: process.env.PATH ?? "", ...settings };
  return runService([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], env);
}

/** The service, listening, on the recipe's keys unless it is told otherwise. */
async function start(settings: Record<string, string> = {}) {
  const [port] = await freePorts(1);
  const service = launch({
    MINT_AUTH: "dev",
    MINT_PORT: String(port),
    MINT_RATE_LIMIT: "off",
    MINT_KEYS_DIR: world.recipe.env.KEYS_DIR ?? "",
    ...settings,
  });
  await service.says(/mint listens on/);
  const url = `http://127.0.0.1:${port}`;
  return {
    ...service,
    port: port as number,
    get: (path: string) => fetch(url + path),
    ask: (body: object, headers: Record<string, string> = {}) =>
      fetch(`${url}/creds`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
  };
}

type Service = Awaited<ReturnType<typeof start>>;

async function codeOf(answer: Promise<Response>): Promise<string> {
  return ((await (await answer).json()) as { code: string }).code;
}

describe("a wrong configuration", () => {
  async function refused(settings: Record<string, string>): Promise<string[]> {
    await using service = launch(settings);
    expect(await service.ended).toBe(1);
    return service.said().trimEnd().split("\n");
  }

  const good = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/nowhere" };

  test("ends it with 1 and one line for each variable: its name, what it got, what it wants", async () => {
    const lines = await refused({
      MINT_AUTH: "everybody",
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

  test("shows no secret that stands where it doesn't belong", async () => {
    const seed = `SA${"B".repeat(56)}`;
    const lines = await refused({
      ...good,
      MINT_DEFAULT_ROLE: `${seed}.`,
      NATS_TCP_URLS: "http://alice:hunter2@localhost",
    });
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toMatch(/SAB|hunter2/);
  });

  test("is one that doesn't say how callers prove who they are", async () => {
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

  test("is dev in production", async () => {
    const lines = await refused({ ...good, NODE_ENV: "production" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^MINT_AUTH: got "dev", wanted .*production/);
  });

  test("is one whose port or address can't be had, in one sentence", async () => {
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
  /** Switches the service's directory to what is in another, in one step, as the export does. */
  function switchTo(keysDir: string, name: string): void {
    symlinkSync(name, join(keysDir, "new"));
    renameSync(join(keysDir, "new"), join(keysDir, "current"));
  }

  test("may come later, change and break: it answers 503 until there are some, then with the last good ones", async () => {
    const keysDir = join(dir, "keys");
    mkdirSync(keysDir);
    await using service = await start({ MINT_KEYS_DIR: keysDir });
    const early = await service.ask({ user: "alice" });
    expect(early.status).toBe(503);
    expect(early.headers.get("Retry-After")).toMatch(/^\d+$/);
    expect(await early.json()).toMatchObject({ code: "keys_unavailable" });
    expect((await service.get("/readyz")).status).toBe(503);
    expect((await service.get("/healthz")).status).toBe(200);

    const exported = join(world.recipe.env.KEYS_DIR ?? "", "current/");
    cpSync(exported, join(keysDir, "1"), { recursive: true });
    switchTo(keysDir, "1");
    await service.says(/keys .*\/1 loaded, roles: browser, room, service/);
    expect((await service.get("/readyz")).status).toBe(200);
    expect((await service.ask({ user: "alice" })).status).toBe(200);

    cpSync(exported, join(keysDir, "2"), { recursive: true });
    writeFileSync(join(keysDir, "2/account.jwt"), "broken");
    switchTo(keysDir, "2");
    await service.says(/"warn".*no new keys: the account JWT is broken/);
    expect((await service.ask({ user: "alice" })).status).toBe(200);

    cpSync(exported, join(keysDir, "3"), { recursive: true });
    rmSync(join(keysDir, "3/service.nk"));
    writeFileSync(join(keysDir, "3/roles.json"), '{"browser":{"ttl":60}}');
    switchTo(keysDir, "3");
    await service.says(/keys .*\/3 loaded, roles: browser"/);
    expect(await codeOf(service.ask({ user: "alice", role: "service" }))).toBe("role_not_allowed");
    const { issued_at, expires_at } = (await (await service.ask({ user: "alice" })).json()) as never;
    expect(expires_at - issued_at).toBe(60);
    expect(service.said()).not.toMatch(SECRET);
  });

  test("of a role that is added to the recipe are in use without a restart, and the server knows them", async () => {
    await using service = await start();
    expect(await codeOf(service.ask({ user: "alice", role: "guest" }))).toBe("role_not_allowed");
    world.recipe.writeRole("guest", {
      pub: { allow: ["guests.{{name()}}.>"] },
      sub: { allow: ["guests.{{name()}}.>"] },
    });
    await world.recipe.up();
    await service.says(/roles: browser, guest, room, service/);
    const answer = await service.ask({ user: "alice", role: "guest" });
    const { jwt, seed } = (await answer.json()) as { jwt: string; seed: string };
    await using alice = await logIn({ jwt, seed, servers: [world.url("tcp")] });
    const heard = await alice.subscribe("guests.alice.>");
    alice.nc.publish("guests.alice.x", "hello");
    await alice.nc.flush();
    expect(heard.messages).toEqual(["hello"]);
  });
});

describe("a stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`by ${signal} ends it with 0 and soon, whoever is still connected`, async () => {
      await using service = await start();
      const idle = await keepAlive(service);
      const slow = openSocket(service.port, "127.0.0.1");
      slow.write(`${head("Content-Length: 100")}{`);
      await once(slow, "connect");
      const answer = once(slow, "data");
      service.kill(signal);
      // What has begun is finished: the body that never comes is waited for as long as always.
      expect(String(await answer)).toStartWith("HTTP/1.1 408");
      expect(await service.ended).toBe(0);
      idle.destroy();
      slow.destroy();
    });
  }

  async function keepAlive({ port }: Service) {
    const socket = openSocket(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toStartWith("HTTP/1.1 200");
    return socket;
  }
});

describe("dev authentication", () => {
  test("logs one warning that it accepts every caller", async () => {
    await using service = await start();
    await service.says(/keys .* loaded/);
    expect(service.said().match(/"level":"warn"/g)).toHaveLength(1);
    expect(service.said()).toMatch(/"warn".*MINT_AUTH=dev accepts every caller/);
  });

  test("answers for this machine's names and those of MINT_DEV_HOSTS alone", async () => {
    await using service = await start({ MINT_DEV_HOSTS: "mint.example.com, other.example.com" });
    const status = async (host: string) => (await service.ask({ user: "alice" }, { Host: host })).status;
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
      // 404 where the host breaks the URL, so that there is no path either.
      expect([host, await status(host)]).not.toEqual([host, 200]);
    }
  });
});

describe("what it prints", () => {
  test("holds no seed and no JWT, whatever it is asked", async () => {
    await using service = await start();
    const { jwt, seed } = (await (await service.ask({ user: "alice" })).json()) as never;
    for (const body of [
      { user: "alice" },
      { user: seed },
      { user: jwt },
      { public_key: seed, user: "a" },
      { [seed]: 1 },
    ]) {
      await service.ask(body);
    }
    await service.ask({ user: "alice" }, { Authorization: `Bearer ${jwt}`, Host: "evil.example.com" });
    await service.ask({ user: "alice" }, { Accept: "text/plain" });
    await service.get(`/creds?jwt=${jwt}`);
    service.kill("SIGTERM");
    await service.ended;
    expect(service.said()).toContain("mint listens on");
    expect(service.said()).not.toMatch(SECRET);
  });
});

const head = (more: string) =>
  `POST /creds HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}\r\n\r\n`;
