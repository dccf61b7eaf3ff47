import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { connect, credsAuthenticator, type NatsConnection } from "nats";
import { connect as connectWebSocket, jwtAuthenticator } from "nats.ws";
import { createUser } from "nkeys.js";
import type { CredsResponse } from "../../src/index.ts";
import { freePorts } from "../ports.ts";
import { expectSuccess } from "../recipe/recipe.ts";

/**
 * The real docker-compose.yaml on a Docker engine, from a copy of the checkout that has another owner and can't be read
 * by others. The tests use one installation, in order.
 */

const projectDir = join(import.meta.dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "checkout-"));
const project = `nats-mint-test-${process.pid}`;
const owner = 1234;
const [nats = 0, webSocket = 0, monitoring = 0, mint = 0] = await freePorts(4);
const env: Record<string, string> = {
  ...(process.env as Record<string, string>),
  COMPOSE_PROJECT_NAME: project,
  NATS_PORT: String(nats),
  NATS_WS_PORT: String(webSocket),
  NATS_HTTP_PORT: String(monitoring),
  MINT_PORT: String(mint),
};

async function run(command: string[], more: Record<string, string> = {}) {
  const child = Bun.spawn(command, {
    cwd: tmpdir(),
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, output: out + error };
}

const compose = (...command: string[]) => composeWith({}, ...command);
const composeWith = (settings: Record<string, string>, ...command: string[]) =>
  run(["docker", "compose", "-f", join(dir, "docker-compose.yaml"), ...command], settings);

/** Runs `up` and waits until the mint is ready. Returns the output of the one-shot containers. */
async function up(settings: Record<string, string> = {}): Promise<string> {
  const { code, output } = await composeWith(settings, "up", "-d", "--build");
  const logs = (
    await compose("logs", "--no-color", "--no-log-prefix", "nats-init", "nats-push", "nats-export")
  ).output;
  if (code !== 0) throw new Error(`up ended with ${code}:\n${output}\n${logs}`);
  await untilReady();
  return logs;
}

async function untilReady(): Promise<void> {
  while ((await fetch(`http://127.0.0.1:${mint}/readyz`).catch(() => undefined))?.status !== 200)
    await Bun.sleep(20);
}

const container = (service: string) => `${project}-${service}-1`;

async function inspect<T>(service: string, path: string): Promise<T> {
  return JSON.parse(
    expectSuccess(await run(["docker", "inspect", "-f", `{{json ${path}}}`, container(service)])),
  );
}

async function requestCreds(
  request: Record<string, unknown>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${mint}/creds`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
}

async function credentials(request: Record<string, unknown>): Promise<CredsResponse> {
  const response = await requestCreds(request);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as CredsResponse;
}

/** The connection of a backend, with a credential of the role `service`. */
async function connectService(): Promise<NatsConnection> {
  const creds = await (
    await requestCreds({ user: "worker", role: "service" }, { accept: "text/plain" })
  ).text();
  return connect({
    servers: `127.0.0.1:${nats}`,
    authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
    inboxPrefix: "_INBOX_worker",
    maxReconnectAttempts: 0,
  });
}

/** Logs in as a browser would, receives its own message, and disconnects. */
async function useAsBrowser(user: string, key = createUser()): Promise<CredsResponse> {
  const granted = await credentials({ user, public_key: key.getPublicKey() });
  await useCredential(granted, key);
  return granted;
}

async function useCredential(granted: CredsResponse, key: ReturnType<typeof createUser>): Promise<void> {
  const nc = await connectWebSocket({
    servers: granted.servers,
    authenticator: jwtAuthenticator(granted.jwt, key.getSeed()),
    inboxPrefix: granted.inbox_prefix ?? "",
    maxReconnectAttempts: 0,
  });
  const subject = `users.${granted.user}.test`;
  const subscription = nc.subscribe(subject, { max: 1 });
  nc.publish(subject, "hello");
  for await (const message of subscription) expect(message.string()).toBe("hello");
  await nc.close();
}

/** A shell in nats-box on the test's network, as on another machine with a copy of the nsc store. */
const elsewhere = (script: string) =>
  run([
    "docker",
    "run",
    "--rm",
    "--network",
    `${project}_default`,
    "-v",
    `${project}_nsc:/nsc:ro`,
    "--entrypoint",
    "/bin/sh",
    "natsio/nats-box:0.19.5",
    "-euc",
    `cp -R /nsc/current/. /tmp/store
     nsc() { command nsc --config-dir /tmp/config --data-dir /tmp/store/stores --keystore-dir /tmp/store/keys "$@"; }
     nats() { command nats -s nats://nats-server:4222 --creds /tmp/store/keys/creds/nats-mint/SYS/sys.creds "$@"; }
     app=/tmp/store/stores/nats-mint/accounts/app/app.jwt
     plain=$(nsc describe account app --json | jq -r '[.nats.signing_keys[] | strings][0]')
     nsc add user -a app -n data -K "$plain" --allow-pubsub '>' >/dev/null 2>&1
     nsc generate creds -a app -n data >/tmp/data.creds
     data() { command nats -s nats://nats-server:4222 --creds /tmp/data.creds "$@"; } # all permissions
     ${script}`,
  ]);

/** The path of the server's monitoring. */
const monitoringPath = async () =>
  expectSuccess(await compose("exec", "nats-server", "cat", "/data/config/monitoring.conf")).split('"')[1] ??
  "";

const accountId = () =>
  /^NATS_ACCOUNT_KEY=(.*)$/m.exec(
    readFileSync(join(dir, "fs/nats-export/secrets/.env.account"), "utf8"),
  )?.[1];

beforeAll(async () => {
  const files = expectSuccess(
    await run(["git", "-C", projectDir, "ls-files", "-co", "--exclude-standard", "-z"]),
  );
  for (const file of files.split("\0").filter(Boolean)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    cpSync(join(projectDir, file), join(dir, file));
  }
  expectSuccess(await run(["sh", "-c", `chown -R ${owner}:${owner} ${dir} && chmod -R go-rwx ${dir}`]));
});

afterAll(async () => {
  await compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5");
  rmSync(dir, { recursive: true, force: true });
});

describe("docker compose up", () => {
  let account: string | undefined;

  test("on a clean checkout starts a mint whose credentials work", async () => {
    const output = await up();
    expect(output).toContain("nats-push: all is in force");
    expect(output).toContain("nats-push: made stream ROOMS");
    await useAsBrowser("alice");
    account = accountId();
    expect(account).toMatch(/^A[A-Z2-7]{55}$/);
    expect(output).not.toMatch(/S[OAU][A-Z2-7]{56}/);
  });

  test("says at its end where to go", async () => {
    const { output } = await compose("logs", "--no-log-prefix", "mint");
    expect(output).toContain(
      `mint listens on http://0.0.0.0:8080; open http://127.0.0.1:${mint} in a browser`,
    );
    expect((await fetch(`http://127.0.0.1:${mint}/`)).status).toBe(200);
  });

  test("leaves no violation in the server's log", async () => {
    const { output } = await compose("logs", "--no-log-prefix", "nats-server");
    expect(output).toContain("Server is ready");
    expect(output).not.toMatch(/Violation|\[ERR\]/);
  });

  test("allows the page that the mint serves, on its port, at the mint and at the WebSocket", async () => {
    for (const origin of [`http://127.0.0.1:${mint}`, `http://localhost:${mint}`]) {
      const response = await requestCreds({ user: "alice" }, { origin });
      expect(response.headers.get("access-control-allow-origin")).toBe(origin);
      const upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        `Origin: ${origin}`,
      ];
      const curl = ["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}"];
      const headers = [...upgrade, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="].flatMap((line) => [
        "-H",
        line,
      ]);
      expect((await run([...curl, ...headers, `http://127.0.0.1:${webSocket}`])).output).toBe("101");
    }
  });

  test.each([
    ["MINT_RATE_LIMIT", "many", 'MINT_RATE_LIMIT: got "many", wanted requests a minute'],
    ["NATS_MAX_CONNECTIONS", "-1", 'NATS_MAX_CONNECTIONS: got "-1", wanted a whole number from 1'],
    ["NATS_WS_ORIGINS", '["https://app.example.com:443"]', '"https://app.example.com" instead of'],
    ["MINT_ALLOWED_ORIGINS", '["https://bücher.example"]', '"https://xn--bcher-kva.example" instead of'],
  ])("with %s=%s stops before nats-init, and says what is wrong", async (name, value, sentence) => {
    const before = await inspect<string>("nats-init", ".State.FinishedAt");
    const { code } = await composeWith({ [name]: value }, "up", "-d", "--wait");
    expect(code).not.toBe(0);
    expect((await compose("logs", "--no-log-prefix", "check")).output).toContain(sentence);
    // A container that was made again, for other settings, has not run.
    expect([before, "0001-01-01T00:00:00Z"]).toContain(
      await inspect<string>("nats-init", ".State.FinishedAt"),
    );
    await up();
  });

  describe("with one's own files", () => {
    const own = {
      ".env.local": "MINT_DEFAULT_ROLE=own\nOIDC_ISSUER=https://login.example.com\nOIDC_AUDIENCE=nats\n",
      "fs/nats-init/roles.local/own.json": '{"pub":{"allow":["own"]},"sub":{"allow":["_INBOX.>"]}}',
      "fs/mint/policy.local.json":
        '{"rules":[{"when":{},"grant":{"role":"own"}},{"when":{},"grant":{"role":"room"}}]}',
    };
    beforeAll(() => {
      for (const [path, text] of Object.entries(own)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true });
        writeFileSync(join(dir, path), text);
      }
    });
    afterAll(async () => {
      for (const path of Object.keys(own)) rmSync(join(dir, path));
      expect(await up()).toContain("nats-init: role own: removed");
    });

    test("stops when Compose has not read .env.local, and says what to type", async () => {
      expect((await compose("up", "-d", "--wait")).code).not.toBe(0);
      expect((await compose("logs", "--no-log-prefix", "check")).output).toContain(
        ".env.local is not in use, so its MINT_DEFAULT_ROLE, OIDC_AUDIENCE, OIDC_ISSUER would not apply: Docker Compose reads it only if it is named. Run: export COMPOSE_ENV_FILES=.env,.env.local",
      );
    });

    test("uses them in place of the shipped ones", async () => {
      const files = { COMPOSE_ENV_FILES: [".env", ".env.local"].map((file) => join(dir, file)).join() };
      expect(await up(files)).toContain("nats-init: role own: added");
      expect(await credentials({ user: "alice" })).toMatchObject({
        role: "own",
        inbox_prefix: "_INBOX.alice",
      });
      const policy = await composeWith(files, "run", "--rm", "-T", "mint-cli", "policy", "check");
      expect(expectSuccess(policy)).toContain("/fs/mint/policy.local.json: 2 rules");
    });
  });

  test("makes .env.account readable by the checkout's owner only", () => {
    const { uid, gid, mode } = statSync(join(dir, "fs/nats-export/secrets/.env.account"));
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: owner, gid: owner, mode: 0o600 });
  });

  test.each(["nats-server", "mint"])(
    "runs %s without root, read-only, without capabilities",
    async (service) => {
      expect(await inspect<string>(service, ".Config.User")).toBe("1000:1000");
      expect(await inspect<boolean>(service, ".HostConfig.ReadonlyRootfs")).toBe(true);
      expect(await inspect<string[]>(service, ".HostConfig.CapDrop")).toEqual(["ALL"]);
      expect(await inspect<string[] | null>(service, ".HostConfig.CapAdd")).toBeNull();
      expect(
        expectSuccess(
          await compose("exec", service, "sh", "-c", "grep -E 'CapEff|NoNewPrivs' /proc/1/status"),
        ),
      ).toMatch(/CapEff:\s+0+\nNoNewPrivs:\s+1/);
    },
  );

  test("has a memory limit for each container, and a lower one for the garbage collector", async () => {
    for (const service of ["check", "nats-init", "nats-server", "nats-push", "nats-export", "mint"]) {
      const most = await inspect<number>(service, ".HostConfig.Memory");
      expect([service, most]).toEqual([service, service === "nats-server" ? 2 ** 31 : 2 ** 29]);
      const variables = await inspect<string[]>(service, ".Config.Env");
      const limit = variables.find((variable) => variable.startsWith("GOMEMLIMIT="))?.split("=")[1];
      if (service === "mint" || service === "check") continue;
      expect([service, Number.parseInt(limit ?? "", 10) * 2 ** 20 < most]).toEqual([service, true]);
    }
  });

  test("opens its ports on this machine only", async () => {
    for (const service of ["nats-server", "mint"]) {
      const ports = await inspect<Record<string, { HostIp: string }[] | null>>(
        service,
        ".NetworkSettings.Ports",
      );
      const addresses = Object.values(ports).flatMap((list) => (list ?? []).map(({ HostIp }) => HostIp));
      expect(addresses.length).toBeGreaterThan(0);
      expect(new Set(addresses)).toEqual(new Set(["127.0.0.1"]));
    }
  });

  test("publishes the monitoring on NATS_HTTP_BIND, under its path, and nowhere by default", async () => {
    const published = async () => {
      type Ports = Record<string, { HostIp: string; HostPort: string }[] | null>;
      return (await inspect<Ports>("nats-server", ".NetworkSettings.Ports"))["8222/tcp"] ?? [];
    };
    expect(await published()).toEqual([]);
    expect((await elsewhere("wget -qO- http://nats-server:8222/ 2>&1")).output).toContain("refused");
    await up({ NATS_HTTP_BIND: "127.0.0.1" });
    expect(await published()).toEqual([{ HostIp: "127.0.0.1", HostPort: String(monitoring) }]);
    const url = `http://127.0.0.1:${monitoring}`;
    expect((await fetch(`${url}/varz`)).status).toBe(404);
    expect((await fetch(`${url}${await monitoringPath()}/varz`)).status).toBe(200);
    await up();
    expect(await published()).toEqual([]);
  });

  test("shows the monitoring with the guide's command, and does not show its path in logs", async () => {
    const [command = ""] =
      readFileSync(join(dir, "docs/monitoring.md"), "utf8").match(/^docker compose exec .*$/gm) ?? [];
    expect(expectSuccess(await run(["sh", "-euc", `cd ${dir}\n${command}`]))).toContain('"connections"');
    expect(expectSuccess(await compose("logs"))).not.toContain(await monitoringPath());
    const file = expectSuccess(
      await compose("exec", "nats-server", "stat", "-c", "%u %g %a", "/data/config/monitoring.conf"),
    );
    expect(file.trim()).toBe("0 1000 640");
  });

  test("mounts keys for the mint only, and no private key for the server", async () => {
    const mounts = async (service: string) =>
      (await inspect<{ Destination: string }[]>(service, ".Mounts")).map(({ Destination }) => Destination);
    expect((await mounts("mint")).sort()).toEqual(["/fs/mint", "/keys"]);
    expect(await mounts("nats-server")).toEqual(["/data"]);
    const { output } = await compose(
      "exec",
      "nats-server",
      "sh",
      "-c",
      "grep -rlE 'S[OAU][A-Z2-7]{56}' /data || true",
    );
    expect(output.trim()).toBe("");
  });

  test("a second time changes nothing and reports it", async () => {
    const before = await Promise.all(
      ["nats-server", "mint"].map((service) => inspect<string>(service, ".State.StartedAt")),
    );
    const output = (await up()).trim().split("\n");
    expect(output).toContain("nats-init: nothing to change");
    expect(output).toContain("nats-push: nothing to push: all is in force");
    expect(output).toContain("nats-export: nothing to change");
    expect(
      await Promise.all(
        ["nats-server", "mint"].map((service) => inspect<string>(service, ".State.StartedAt")),
      ),
    ).toEqual(before);
  });

  test("`--wait` finds every service healthy", async () => {
    expectSuccess(await compose("up", "-d", "--wait"));
    expect(await inspect<string>("nats-server", ".State.Health.Status")).toBe("healthy");
    expect(await inspect<string>("mint", ".State.Health.Status")).toBe("healthy");
  });

  test("after `down` has the same identity and the same data", async () => {
    const key = createUser();
    const granted = await credentials({ user: "alice", public_key: key.getPublicKey() });
    expectSuccess(
      await elsewhere(
        "data stream add kept --subjects kept --defaults >/dev/null; data request kept 'still here'",
      ),
    );
    expectSuccess(await compose("down"));
    await up();
    expect(accountId()).toBe(account);
    await useCredential(granted, key);
    const output = expectSuccess(await elsewhere("data stream get kept 1"));
    expect(output).toContain("still here");
  });

  test("with a new container of the server keeps accounts and credentials", async () => {
    const key = createUser();
    const granted = await credentials({ user: "alice", public_key: key.getPublicKey() });
    expectSuccess(await compose("rm", "--stop", "--force", "nats-server"));
    await up();
    await useCredential(granted, key);
  });
});

describe("a change while it runs", () => {
  const file = join(dir, "fs/nats-init/roles/guest.json");
  const guest = (subject: string) => ({
    pub: { allow: [subject] },
    sub: { allow: [subject, "_INBOX_{{name()}}.>"] },
    connection_types: ["STANDARD"],
  });

  /** Repeats a request until the response is the expected one, no faster than the rate limit allows. */
  async function requestGuest(
    isExpected: (response: Response) => boolean | Promise<boolean>,
  ): Promise<Response> {
    for (;;) {
      const response = await requestCreds({ user: "alice", role: "guest" });
      if (await isExpected(response.clone() as Response)) return response;
      await Bun.sleep(500);
    }
  }

  test("a new role is issued without a restart of the mint", async () => {
    const started = await inspect<string>("mint", ".State.StartedAt");
    expect((await requestCreds({ user: "alice", role: "guest" })).status).toBe(403);
    writeFileSync(file, JSON.stringify(guest("guests.one")));
    expect(await up()).toContain("nats-init: role guest: added");
    const response = await requestGuest((response) => response.status === 200);
    expect((await response.json()) as CredsResponse).toMatchObject({
      permissions: { pub: { allow: ["guests.one"] } },
    });
    expect(await inspect<string>("mint", ".State.StartedAt")).toBe(started);
  });

  test("a changed role applies at the next login at the latest", async () => {
    writeFileSync(file, JSON.stringify(guest("guests.two")));
    expect(await up()).toContain("nats-init: role guest: changed");
    await requestGuest(async (response) => {
      const { permissions } = (await response.json()) as CredsResponse;
      return permissions?.pub?.allow?.[0] === "guests.two";
    });
    const creds = await (
      await requestCreds({ user: "alice", role: "guest" }, { accept: "text/plain" })
    ).text();
    const nc = await connect({
      servers: `127.0.0.1:${nats}`,
      authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
    });
    const denied = (async () => {
      for await (const status of nc.status())
        if (status.permissionContext?.subject === "guests.one") return true;
      return false;
    })();
    nc.publish("guests.one", "no longer");
    expect(await denied).toBe(true);
    await nc.close();
  });

  test("an invalid role file is named, and the role keeps its last good permissions", async () => {
    writeFileSync(file, JSON.stringify({ pub: { allow: ["a..b"] } }));
    const checked = await compose("run", "--rm", "nats-init", "check");
    expect(checked.code).toBe(1);
    expect(checked.output).toContain('roles/guest.json: pub.allow: "a..b" has an empty token');
    const output = await up();
    expect(output).toContain('roles/guest.json: pub.allow: "a..b" has an empty token');
    expect(output).toContain("role guest: its file can't be applied; its last good one stays in force");
    expect(await credentials({ user: "alice", role: "guest" })).toMatchObject({
      permissions: { pub: { allow: ["guests.two"] } },
    });
    await useAsBrowser("alice");
  });

  test("a removed role is no longer issued", async () => {
    rmSync(file);
    expect(await up()).toContain("nats-init: role guest: removed");
    await requestGuest((response) => response.status === 403);
  });

  test("a revocation that was pushed from another machine is kept", async () => {
    const key = createUser();
    const granted = await credentials({ user: "mallory", public_key: key.getPublicKey() });
    expectSuccess(
      await elsewhere(`nsc revocations add-user -a app --user-public-key ${key.getPublicKey()}
      nats request '$SYS.REQ.CLAIMS.UPDATE' "$(cat $app)"`),
    );
    await expect(useCredential(granted, key)).rejects.toThrow("Authorization Violation");
    expect(await up()).toContain("nats-init: account app: adopted what was changed on the server");
    await expect(useCredential(granted, key)).rejects.toThrow("Authorization Violation");
    await useAsBrowser("alice");
  });

  test("files of the server's container can't change a key of the store", async () => {
    const store = async (script: string) =>
      expectSuccess(
        await run(
          `docker run --rm -v ${project}_nsc:/nsc:ro --entrypoint /bin/sh natsio/nats-box:0.19.5 -euc`
            .split(" ")
            .concat(`cd /nsc/current/keys/keys; ${script}`),
        ),
      ).trim();
    const keys = () => store("find . -type f | sort | xargs sha256sum");
    const before = await keys();
    const operatorKey = await store("find O -type f | head -n 1");
    expectSuccess(
      await compose(
        "exec",
        "-T",
        "nats-server",
        "sh",
        "-euc",
        `system=$(sed -n 's/^system_account: //p' /data/config/resolver.conf)
        for name in jwt/$system.jwt.new jwt/$system.jwt.tmp run/restart run/restarted; do
          ln -sf /nsc/current/keys/keys/${operatorKey} /data/$name
        done
        echo 'not a JWT' >/data/jwt/$system.jwt
        for name in config/restart config/nats.conf jwt.new staging-x/x; do ! (: >/data/$name) 2>/dev/null; done`,
      ),
    );
    expect(await up()).toContain("all is in force");
    expect(await keys()).toBe(before);
    await compose("restart", "nats-server");
    await up();
    await useAsBrowser("alice");
  });

  test("an operator's new signing key, which a server can't reload, takes effect by a restart", async () => {
    expectSuccess(await compose("run", "--rm", "nsc", "edit", "operator", "--sk", "generate"));
    const output = await up();
    expect(output).toContain("asking it to restart");
    expect(output).toContain("nats-push: all is in force");
    await useAsBrowser("alice");
  });

  test("a change of nats.conf is reloaded without a restart", async () => {
    const started = await inspect<string>("nats-server", ".State.StartedAt");
    const conf = join(dir, "fs/nats-server/nats.conf");
    writeFileSync(conf, readFileSync(conf, "utf8").replace("max_payload: 1MB", "max_payload: 512KB"));
    expect(await up()).toContain("nats-push: nats-server reloaded its configuration");
    const path = await monitoringPath();
    const varz = expectSuccess(
      await compose("exec", "nats-server", "wget", "-qO-", `http://127.0.0.1:8222${path}/varz`),
    );
    expect((JSON.parse(varz) as { max_payload: number }).max_payload).toBe(512 * 1024);
    expect(await inspect<string>("nats-server", ".State.StartedAt")).toBe(started);
  });
});

test("the guide's commands on the nsc store work as written", async () => {
  const guide = readFileSync(join(dir, "docs/operations.md"), "utf8");
  const commands = guide.match(/^docker compose run .*$/gm) ?? [];
  expect(commands).toHaveLength(2);
  const output = expectSuccess(
    await run(["sh", "-euc", `cd ${dir}\n${commands.join("\n")}\ntar -tzf nsc-backup.tgz`]),
  );
  expect(output).toContain(accountId() as string);
  expect(output).toMatch(/^\.\/current$/m);
});

describe("real users", () => {
  const mintLog = async () => (await compose("logs", "--no-color", "--no-log-prefix", "mint")).output;
  const cli = (...args: string[]) => compose("run", "--rm", "-T", "mint-cli", ...args);
  const settings = { MINT_AUTH: "api-key" };
  let key = "";

  test("an API key that a container creates is in a file of the checkout's owner", async () => {
    const output = expectSuccess(await cli("api-key", "add", "--roles", "browser"));
    key = /mint_[a-z2-7_]+/.exec(output)?.[0] ?? "";
    expect(key).not.toBe("");
    const { uid, gid } = statSync(join(dir, "fs/mint/api-keys.json"));
    expect({ uid, gid }).toEqual({ uid: owner, gid: owner });
    expect(readFileSync(join(dir, "fs/mint/api-keys.json"), "utf8")).not.toContain(key);
  });

  test("a directory that the mint's user can't read ends it with an error", async () => {
    await composeWith(settings, "up", "-d", "mint");
    while (!(await mintLog()).includes("api-keys.json: can't be read (EACCES)")) await Bun.sleep(50);
  });

  test("a request with the key gets a credential, one without it gets 401", async () => {
    expectSuccess(await run(["chmod", "-R", "a+rX", join(dir, "fs/mint")]));
    await up(settings);
    const pair = createUser();
    const request = { user: "alice", public_key: pair.getPublicKey() };
    const response = await requestCreds(request, { authorization: `Bearer ${key}` });
    expect(response.status).toBe(200);
    await useCredential((await response.json()) as CredsResponse, pair);
    expect((await requestCreds(request)).status).toBe(401);
    expect(await mintLog()).not.toContain(key);
  });

  test("a removed key is refused", async () => {
    const id = key.split("_")[1] ?? "";
    expect(expectSuccess(await cli("api-key", "list"))).toContain(id);
    expectSuccess(await cli("api-key", "remove", id));
    while ((await requestCreds({ user: "alice" }, { authorization: `Bearer ${key}` })).status !== 401)
      await Bun.sleep(50);
  });

  test("the shipped policy passes `policy check`", async () => {
    const oidc = { OIDC_ISSUER: "https://login.example.com", OIDC_AUDIENCE: "nats" };
    const checked = await composeWith(oidc, "run", "--rm", "-T", "mint-cli", "policy", "check");
    expect(expectSuccess(checked)).toContain("1 rule, 1 issuer");
  });

  test("another `up` goes back to dev authentication", async () => {
    await up();
    await useAsBrowser("alice");
  });
});

describe("the stop of a container", () => {
  test("the mint exits by itself, without SIGKILL", async () => {
    expectSuccess(await compose("stop", "mint"));
    expect(await inspect<number>("mint", ".State.ExitCode")).toBe(0);
  });

  test("the server sends its clients a lame duck notice before it stops", async () => {
    expectSuccess(await compose("start", "mint"));
    await untilReady();
    const nc = await connectService();
    const isNotified = (async () => {
      for await (const status of nc.status()) if (status.type === "ldm") return true;
      return false;
    })();
    expectSuccess(await compose("stop", "nats-server"));
    expect(await isNotified).toBe(true);
    expect(await inspect<number>("nats-server", ".State.ExitCode")).not.toBe(137);
    await nc.close();
  });

  test.each(["nats-init", "nats-server", "nats-push", "nats-export", "mint"])(
    "after kill -9 of %s, early or late, the next `up` works with the same identity",
    async (service) => {
      const account = accountId();
      for (const delay of [0, 150]) {
        // A change, so that the container has work to do when it is killed.
        writeFileSync(
          join(dir, "fs/nats-init/roles/kill.json"),
          JSON.stringify({ pub: { allow: [`k.${delay}`] }, sub: { allow: ["k"] } }),
        );
        const since = `--since=${Date.now() / 1000}`;
        const filters = [`--filter=container=${container(service)}`, "--filter=event=start"];
        const events = Bun.spawn(["docker", "events", since, ...filters], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        const recreation = compose("up", "-d", "--force-recreate");
        await events.stdout.getReader().read();
        events.kill();
        await Bun.sleep(delay);
        killIfRunning(await inspect<number>(service, ".State.Pid"));
        await recreation;
      }
      await up();
      expect(accountId()).toBe(account);
      await useAsBrowser("alice");
    },
    300_000,
  );
});

/** The process may have ended before. */
function killIfRunning(pid: number): void {
  if (pid === 0) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    expect(error).toMatchObject({ code: "ESRCH" });
  }
}
