import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseEnvFile } from "../../src/config/env-file.ts";
import { readLocalConfig } from "../../src/config/local.ts";
import { MINT_VARIABLES } from "../../src/config/mint.ts";
import { mistakes } from "../../src/config/mistakes.fixture.ts";
import { RECIPE_VARIABLES } from "../../src/config/recipe.ts";
import { checkSettings } from "../../src/config/settings.ts";
import { serviceEnvironment } from "../../src/local/environment.ts";
import { expectSuccess, makeRecipe, startRecipe } from "./recipe.ts";

/** `nats-init` and the check that covers all settings agree about each value. */

const recipe = await makeRecipe();
const { env } = recipe;
afterAll(() => recipe[Symbol.asyncDispose]());
const shipped = mistakes(() => checkSettings(env));

const verdicts = async (name: string, value: string) => ({
  value,
  check: mistakes(() => checkSettings({ ...env, [name]: value })).length === 0,
  init: (await recipe.init({ [name]: value }, "check")).code === 0,
});

const COUNTS = ["1", "0", "-1", "1.5", "1e3", "", "x", "999999999", "1000000000", "007", "12 13"];
const SIZES = [
  "1B",
  "64MB",
  "5GB",
  "1TB",
  "5G",
  "0MB",
  "-1MB",
  "1.5GB",
  "1 GB",
  "MB",
  "",
  "1000000MB",
  "10mb",
];
const VALUES: Record<string, string[]> = {
  NATS_OPERATOR: ["nats-mint", "a b", "", "../x", "ä", "a".repeat(64), "a".repeat(65)],
  NATS_ACCOUNT: ["app", "SYS", "sys", "", "a.b"],
  NATS_MAX_CONNECTIONS: [...COUNTS, "9909", "9910"],
  NATS_ACCOUNT_CONNECTIONS: [...COUNTS, "9990", "9991"],
  NATS_MEMORY: [...SIZES, "1700MB", "1790MB"],
  NATS_GOMEMLIMIT: ["1700MiB", "1GiB", "2GB", "3GiB", "0MiB", "", "1700", "256MiB", "257MiB"],
  NATS_JS_MEMORY: [...SIZES, "1700MB", "1699MB", "127MB", "128MB"],
  NATS_JS_DISK: SIZES,
  NATS_ACCOUNT_JS_MEMORY: [...SIZES, "256MB", "257MB"],
  NATS_ACCOUNT_JS_DISK: [...SIZES, "10GB", "11GB"],
  NATS_ACCOUNT_JS_STREAMS: COUNTS,
  NATS_ACCOUNT_JS_CONSUMERS: COUNTS,
  NATS_CONFLICT: ["stop", "server", "store", "", "yes", "STOP"],
};

test("the shipped settings are good", async () => {
  expect(shipped).toEqual([]);
  expect(expectSuccess(await recipe.init({}, "check"))).toContain("settings and role files are good");
});

test.each(Object.entries(VALUES))("both agree about %s", async (name, values) => {
  const all = await Promise.all(values.map((value) => verdicts(name, value)));
  expect(all.map(({ value, init }) => [value, init])).toEqual(all.map(({ value, check }) => [value, check]));
  expect(new Set(all.map(({ check }) => check)).size).toBe(2);
});

describe("docker-compose.yaml", () => {
  const projectDir = join(import.meta.dirname, "../..");
  const read = (file: string) => readFileSync(join(projectDir, file), "utf8");
  type Service = { environment?: Record<string, unknown> };
  const { services } = Bun.YAML.parse(read("docker-compose.yaml")) as { services: Record<string, Service> };
  const variables = (service: string) => Object.keys(services[service]?.environment ?? {});
  const settings = Object.keys(parseEnvFile(read(".env"), {})).filter(
    (name) => !["NATS_VER", "NATS_BOX_VER", "BUN_VER", "USE_WEBSOCKET", "DATA_DIR"].includes(name),
  );

  test("passes every setting to the check", () => {
    expect(
      variables("check")
        .filter((name) => name.startsWith("SETTING_"))
        .sort(),
    ).toEqual([...settings, "NODE_ENV"].map((name) => `SETTING_${name}`).sort());
  });

  test("passes to each service the settings that it reads", () => {
    const readByMint = MINT_VARIABLES.filter((name) => settings.includes(name));
    expect(variables("mint")).toEqual(
      expect.arrayContaining([...readByMint, "NODE_ENV", "MINT_PUBLISHED_PORT"]),
    );
    const readByInit = RECIPE_VARIABLES.filter((name) => name !== "MINT_MEMORY");
    expect(variables("nats-init")).toEqual(
      expect.arrayContaining([...readByInit, "MINT_PUBLISHED_PORT", "MINT_DEV_HOSTS"]),
    );
  });

  test("passes to the mint what npm start passes, and no more of the environment", () => {
    const passed = serviceEnvironment(
      readLocalConfig({
        ...env,
        NODE_EXTRA_CA_CERTS: "/ca.pem",
        NODE_TLS_REJECT_UNAUTHORIZED: "0",
        HTTPS_PROXY: "http://p",
      }),
      "/bin",
    );
    expect(passed).toMatchObject({ HTTPS_PROXY: "http://p" });
    for (const name of ["NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED"]) {
      expect(passed).not.toHaveProperty(name);
      expect(variables("mint")).not.toContain(name);
    }
  });
});

describe("origins", () => {
  /** The verdict of nats-init for each, and the form that it names. */
  async function ofInit(origins: string[]): Promise<string[]> {
    const script =
      'include "settings"; $origins[] | [.] | tojson | [origins_problem][0] // "good" | capture("browsers send them: (?<form>.*) instead of")?.form // .';
    const output = await recipe.run([
      "jq",
      "-nr",
      "-L",
      join(import.meta.dirname, "../../fs/nats-init"),
      "--argjson",
      "origins",
      JSON.stringify(origins),
      script,
    ]);
    return expectSuccess(output)
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^it must be.*/, "wrong"));
  }

  function ofCheck(origin: string): string {
    const [line] = mistakes(() => checkSettings({ ...env, NATS_WS_ORIGINS: JSON.stringify([origin]) }));
    if (line === undefined) return "good";
    expect(line).toStartWith("NATS_WS_ORIGINS: ");
    return /browsers send them: (.*) instead of/.exec(line)?.[1] ?? "wrong";
  }

  const KNOWN: [origin: string, verdict: string][] = [
    ["http://localhost:8080", "good"],
    ["https://app.example.com", "good"],
    ["http://[::1]:3000", "good"],
    ["http://127.0.0.1", "good"],
    ["https://xn--bcher-kva.example", "good"],
    ["https://a_b.example.com:8443", "good"],
    ["https://app.example.com:443", '"https://app.example.com"'],
    ["http://app.example.com:80", '"http://app.example.com"'],
    ["http://app.example.com:443", "good"],
    ["HTTPS://App.Example.COM", '"https://app.example.com"'],
    ["https://bücher.example", '"https://xn--bcher-kva.example"'],
    ["https://例え.テスト:8443", '"https://xn--r8jz45g.xn--zckzah:8443"'],
    ["https://app.example.com/", '"https://app.example.com"'],
    ["https://app.example.com/path?x#y", '"https://app.example.com"'],
    ["http://localhost:08080", '"http://localhost:8080"'],
    ["http://localhost:", '"http://localhost"'],
    ["https://*.example.com", "wrong"],
    ["*", "wrong"],
    ["null", "wrong"],
    ["", "wrong"],
    ["localhost:8080", "wrong"],
    ["ftp://example.com", "wrong"],
    ["http://", "wrong"],
    ["http://localhost:65536", "wrong"],
    ["http://a b", "wrong"],
    ["http://256.1.1.1", "wrong"],
  ];

  test.each(KNOWN)("both have the same verdict on %j: %s", async (origin, verdict) => {
    expect([ofCheck(origin), await ofInit([origin])]).toEqual([verdict, [verdict]]);
  });

  test("both have the same verdict on random ones", async () => {
    const label = fc
      .stringMatching(/^[a-zA-Z0-9_äöüñ-]{1,8}$/)
      .filter((text) => !/^xn--|^..--|^-|-$|^0x|^\d+$/i.test(text));
    const origin = fc
      .tuple(
        fc.constantFrom("http://", "https://", "HTTP://", "ws://", ""),
        fc.array(label, { minLength: 1, maxLength: 3 }),
        fc.constantFrom("", ":80", ":443", ":8080", ":0", ":99999", ":x"),
        fc.constantFrom("", "", "", "/", "/x", "?q", "#h", "*", "@x"),
      )
      .map(
        ([scheme, labels, port, end]) =>
          scheme + labels.join(".").toLowerCase().replace(/^a/, "A") + port + end,
      );
    const samples = fc.sample(origin, 300);
    const isGood = (verdict: string) => verdict === "good";
    const init = await ofInit(samples);
    expect(samples.map((each, i) => [each, isGood(init[i] ?? "")])).toEqual(
      samples.map((each) => [each, isGood(ofCheck(each))]),
    );
  });
});

test("the pages that the mint serves may open the WebSocket, on any port and under any of its names", async () => {
  await using running = await startRecipe();
  expectSuccess(
    await running.init({ MINT_PUBLISHED_PORT: "25223", MINT_DEV_HOSTS: "mint.test, Other.Test" }),
  );
  expect(readFileSync(join(running.dir, "nats/config/origins.conf"), "utf8")).toContain(
    '"http://mint.test:25223"',
  );
  await running.stopServer();
  await running.startServer();
  const open = (origin: string) =>
    running
      .run([
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-m",
        "2",
        "-w",
        "%{http_code}",
        "-H",
        "Connection: Upgrade",
        "-H",
        "Upgrade: websocket",
        "-H",
        "Sec-WebSocket-Version: 13",
        "-H",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "-H",
        `Origin: ${origin}`,
        `http://127.0.0.1:${running.ports.webSocket}`,
      ])
      .then(({ output }) => output);
  const hosts = ["localhost", "127.0.0.1", "[::1]", "mint.test", "other.test"];
  expect(await Promise.all(hosts.map((host) => open(`http://${host}:25223`)))).toEqual(
    hosts.map(() => "101"),
  );
  expect(await open("http://localhost:5173")).toBe("101");
  expect(await open("http://localhost:25224")).toBe("403");
  expect(await open("http://evil.test:25223")).toBe("403");
});
