import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { NatsConnection } from "nats.ws";
import type { LiveCredentials } from "../../src/browser/index.ts";
import { readLocalConfig } from "../../src/config/local.ts";
import { createMint } from "../../src/core/mint.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createApp } from "../../src/http/app.ts";
import { devAuthentication } from "../../src/http/dev.ts";
import { launchBrowser } from "../browser/chromium.ts";
import { within } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { expectSuccess, type Recipe, startRecipe } from "../recipe/recipe.ts";
import { type Block, blocks, codeSpans, rows, section } from "./markdown.ts";

/**
 * The statements of docs/browser.md are true, and its code works: compiled and run as in a front end, with the built
 * package, a mint and a server. Only ports and paths are replaced.
 */

const { projectDir } = readLocalConfig();
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
const guide = read("docs/browser.md");

let recipe: Recipe;
let mint: ReturnType<typeof Bun.serve>;
let pagePort: number;
/** A front end: `node_modules` contains the package, its sources are the code of the guide. */
let dir: string;
/** Every request to the mint. */
const requests: Request[] = [];

beforeAll(async () => {
  [pagePort = 0] = await freePorts(1);
  const origins = [`http://localhost:${pagePort}`];
  recipe = await startRecipe({ NATS_WS_ORIGINS: JSON.stringify(origins) });
  dir = mkdtempSync(join(tmpdir(), "front-end-"));
  await install();
  const app = createApp({
    mint: createMint((await readKeys(recipe.env.KEYS_DIR ?? "")).mint),
    ...devAuthentication({ defaultRole: "browser" }),
    servers: { websocket: [`ws://127.0.0.1:${recipe.ports.webSocket}`], tcp: [] },
    allowedOrigins: origins,
  });
  mint = Bun.serve({
    hostname: "localhost",
    port: recipe.ports.mint,
    fetch(request) {
      requests.push(request.clone());
      return app.fetch(request);
    },
  });
});

afterAll(async () => {
  await mint?.stop(true);
  rmSync(dir, { recursive: true, force: true });
  await recipe?.[Symbol.asyncDispose]();
});

/** Builds the package, and installs it as `npm install` would. */
async function install(): Promise<void> {
  const home = join(dir, "node_modules/nats-mint-browser");
  mkdirSync(home, { recursive: true });
  cpSync(join(projectDir, "packages/browser/package.json"), join(home, "package.json"));
  for (const name of ["nats.ws", "nkeys.js", "@nats-io"]) {
    symlinkSync(join(projectDir, "node_modules", name), join(dir, "node_modules", name));
  }
  const emit = ["--noEmit", "false", "--declaration", "--outDir", join(home, "dist/browser")];
  expectSuccess(await compile(["-p", join(projectDir, "src/browser"), ...emit]));
  mkdirSync(join(dir, "node_modules/react"));
  writeFileSync(join(dir, "node_modules/react/index.ts"), REACT);
  mkdirSync(join(dir, "node_modules/ws"));
  writeFileSync(join(dir, "node_modules/ws/index.d.ts"), WS);
}

const compile = (flags: string[]) => recipe.run([join(projectDir, "node_modules/.bin/tsc"), ...flags]);

const isCode = ({ language }: Block) => language === "ts" || language === "tsx";
const code = blocks(guide)
  .filter(isCode)
  .map(({ text }) => text);

/** The block that contains a text. */
function block(text: string): string {
  const found = blocks(guide).filter((each) => each.text.includes(text));
  expect(found.map((each) => each.text)).toHaveLength(1);
  return found[0]?.text ?? "";
}

const withPaths = (text: string) =>
  text
    .replaceAll("127.0.0.1:8080", `127.0.0.1:${recipe.ports.mint}`)
    .replaceAll("localhost:3000", `${pagePort}`);

let modules = 0;

/** Runs a block after the code that it needs, and returns its variables. */
async function run(text: string, names: string[], before = "") {
  const file = join(dir, `run-${++modules}.ts`);
  writeFileSync(file, withPaths(`${before}\n${text}\nexport { ${names.join(", ")} };\n`));
  const made = await within(import(file), "the block to run");
  return made as { live: LiveCredentials; nc: NatsConnection };
}

/** Checks that a page receives what it publishes, before and after a renewal. */
async function expectToWork({ live, nc }: { live: LiveCredentials; nc: NatsConnection }): Promise<void> {
  const received: string[] = [];
  nc.subscribe("users.alice.>", { callback: (_, message) => received.push(message.string()) });
  nc.publish("users.alice.a", "before");
  await nc.flush();
  await live.refresh();
  nc.publish("users.alice.a", "after");
  await nc.flush();
  expect(received).toEqual(["before", "after"]);
}

/** Declarations that blocks need from other blocks or from the application. */
const NEEDED = {
  connect: 'import { connect } from "nats.ws";',
  live: 'declare const live: import("nats-mint-browser").LiveCredentials;',
  nc: 'declare const nc: import("nats.ws").NatsConnection;',
  authority: "declare const authority: string;",
  auth: "declare const auth: { getAccessToken(options: { fresh: boolean }): Promise<string> };",
  showLogin: "declare function showLogin(options: { onSuccess(): Promise<void> }): void;",
};

/** The types of the package `ws` that the guide uses. Its implementation is that of Bun. */
const WS = `
export default class WebSocket {
  constructor(url: string, options: { ca: string });
  binaryType: "nodebuffer" | "arraybuffer" | "fragments";
  onclose: ((event: { code: number; reason: string; target: WebSocket }) => void) | null;
  onerror: ((event: { error: unknown; message: string; target: WebSocket }) => void) | null;
  onmessage: ((event: { data: string | ArrayBuffer; target: WebSocket }) => void) | null;
  send(data: string | Uint8Array | ArrayBuffer): void;
  close(code?: number): void;
}
`;

/** The parts of React that the hook needs, as in StrictMode: each effect runs, is cleaned up, and runs again. */
const REACT = `
type Cleanup = () => void;
const cells: unknown[] = [];
const cleanups: Cleanup[] = [];
let cell = 0;

export let onSet: () => void = () => {};

export function useState<T>(): [T | undefined, (value: T | undefined) => void] {
  const own = cell++;
  return [cells[own] as T | undefined, (value) => { cells[own] = value; onSet(); }];
}

export function useEffect(effect: () => Cleanup, _dependencies: unknown[]): void {
  if (cleanups.length > 0) return;
  effect()();
  cleanups.push(effect());
}

export function render<T>(component: () => T): T {
  cell = 0;
  return component();
}

export function whenSet(): Promise<void> {
  return new Promise((resolve) => { onSet = resolve; });
}

export const unmount = () => cleanups.forEach((cleanup) => cleanup());
`;

test("every block of code compiles, in a strict front end", async () => {
  const at = join(dir, "types");
  mkdirSync(at);
  const files = code.map((text, index) => {
    const needed = Object.entries(NEEDED).filter(
      ([name]) =>
        new RegExp(`\\b${name}\\b`).test(text) &&
        !new RegExp(`(const|import .*) ${name}\\b|{ ${name}\\b`).test(text),
    );
    writeFileSync(
      join(at, `${index}.tsx`),
      `${needed.map(([, line]) => line).join("\n")}\n${text}\nexport {};\n`,
    );
    return `${index}.tsx`;
  });
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    types: [],
    target: "es2022",
    lib: ["es2022", "dom", "dom.iterable"],
    module: "esnext",
    moduleResolution: "bundler",
    jsx: "preserve",
    noEmit: true,
  };
  writeFileSync(join(at, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  expect(await compile(["-p", at])).toEqual({ code: 0, output: "" });
});

describe("the quick start", () => {
  test("connects nats.ws, receives its own message, and disconnects", async () => {
    const log = spyOn(console, "log").mockImplementation(() => {});
    try {
      const { live, nc } = await run(block("console.log(message.string())"), ["live", "nc"]);
      await nc.flush();
      expect(log.mock.calls).toEqual([["hello"]]);
      await expectToWork({ live, nc });
      const before = "const { live, nc } = globalThis.ended;";
      Object.assign(globalThis, { ended: { live, nc } });
      await run(block("nc.drain()"), [], before);
      expect(nc.isClosed()).toBe(true);
      expect(await live.refresh().catch(({ code }) => code)).toBe("closed");
    } finally {
      log.mockRestore();
    }
  });

  test("connects @nats-io/nats-core", async () => {
    const made = await run(block("wsconnect(live.connectOptions())"), ["live", "nc"]);
    await expectToWork(made);
    await made.nc.close();
    made.live.close();
  });

  test("without a bundler works in a browser, from the files that it copies", async () => {
    const checkout = join(dir, "checkout");
    mkdirSync(checkout);
    symlinkSync(join(dir, "node_modules/nats-mint-browser/dist"), join(checkout, "dist"));
    symlinkSync(join(projectDir, "node_modules"), join(checkout, "node_modules"));
    expectSuccess(
      await recipe.run(["/bin/sh", "-c", `cd '${checkout}' && set -e\n${block("cp -R dist/browser")}`]),
    );
    writeFileSync(join(checkout, "site/index.html"), withPaths(block("importmap")));
    await using _site = Bun.serve({
      hostname: "localhost",
      port: pagePort,
      fetch(request) {
        const { pathname } = new URL(request.url);
        return new Response(Bun.file(join(checkout, "site", pathname === "/" ? "index.html" : pathname)));
      },
    });
    await using browser = await launchBrowser();
    const page = await browser.newPage();
    await page.goto(`http://localhost:${pagePort}/`);
    await page.getByText("hello").waitFor();
  });
});

describe("a source", () => {
  test("that is an endpoint sends the token and the requested fields", async () => {
    const text = block("ttl: 600,").replace('"/nats/creds"', '"http://127.0.0.1:8080/creds"');
    const before = 'const auth = { getAccessToken: async () => "t1" };';
    // The mint of this test has dev authentication, which needs a name.
    const { live } = await run(text.replace("ttl:", 'user: "alice", ttl:'), ["live"], before);
    live.close();
    const request = requests.at(-1) as Request;
    expect(request.headers.get("Authorization")).toBe("Bearer t1");
    expect(await request.json()).toEqual({
      user: "alice",
      ttl: 600,
      public_key: expect.stringMatching(/^U[A-Z2-7]{55}$/),
    });
  });

  test("whose login has ended reports it, and asks no more", async () => {
    let asked = 0;
    Object.assign(globalThis, {
      auth: {
        async getAccessToken() {
          if (asked++ > 0) throw Object.assign(new Error("Login required"), { error: "login_required" });
          return "t1";
        },
      },
    });
    const text = block('"login_required"').replace(
      '"/nats/creds"',
      '"http://127.0.0.1:8080/creds", user: "alice"',
    );
    const { live } = await run(text, ["live"], "const { auth } = globalThis;");
    const error = await live.refresh().catch((error) => error);
    expect(error).toMatchObject({ name: "UnauthorizedError", message: "login_required" });
    expect(asked).toBe(2);
    live.close();
  });

  test("that is a function is called for each renewal, and can report that the login has ended", async () => {
    let status = 200;
    await using own = Bun.serve({
      port: 0,
      async fetch(request) {
        if (status !== 200) return new Response(null, { status });
        const public_key = (await request.formData()).get("key");
        return fetch(`http://127.0.0.1:${recipe.ports.mint}/creds`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ user: "alice", public_key }),
        });
      },
    });
    const text = block("/my-own-way").replace("/my-own-way", `${own.url}`);
    const connecting = "const nc = await connect(live.connectOptions());";
    const made = await run(`${text}${connecting}`, ["live", "nc"], NEEDED.connect);
    await expectToWork(made);
    status = 401;
    expect(await made.live.refresh().catch(({ code }) => code)).toBe("unauthorized");
    await made.nc.close();
    made.live.close();
    expect(await run(text, ["live"]).catch(({ code }) => code)).toBe("unauthorized");
    status = 500;
    expect(await run(text, ["live"]).catch(({ message }) => message)).toBe("status 500");
  });

  test("that is a literal works until it expires", async () => {
    const connecting = "const nc = await connect(live.connectOptions());";
    const text = block("as CredsResponse)");
    const { live, nc } = await run(`${text}${connecting}`, ["live", "nc"], NEEDED.connect);
    await nc.flush();
    expect(live.current.seed).toStartWith("SU");
    expect(await live.refresh().catch(({ code }) => code)).toBe("unauthorized");
    await nc.flush();
    await nc.close();
    live.close();
  });
});

test("options can be added as the guide shows", async () => {
  const starting = block("wsconnect(live.connectOptions())").split("\n").slice(1, -2).join("\n");
  const before = `${NEEDED.connect}\n${starting}`;
  const { live, nc } = await run(block("...live.connectOptions()"), ["live", "nc"], before);
  const received: string[] = [];
  nc.subscribe("users.alice.>", { callback: (_, message) => received.push(message.string()) });
  nc.publish("users.alice.a", "no echo");
  await nc.flush();
  expect(received).toEqual([]);
  await nc.close();
  live.close();
});

test("a program with the package ws connects with its class", async () => {
  const text = `${block('from "ws"')}const nc = await connect(live.connectOptions());`;
  const made = await run(text, ["live", "nc"], `${NEEDED.connect}const authority = undefined;`);
  await expectToWork(made);
  await made.nc.close();
  made.live.close();
});

test("a browser without Ed25519 is unsupported without nkeys, and connects with it", async () => {
  const missing = new DOMException("Unrecognized name", "NotSupportedError");
  const subtle = spyOn(crypto.subtle, "generateKey").mockRejectedValue(missing);
  try {
    const text = `${block("import * as nkeys")}const nc = await connect(live.connectOptions());`;
    const made = await run(text, ["live", "nc"], NEEDED.connect);
    await expectToWork(made);
    await made.nc.close();
    made.live.close();
    const without = run(block("wsconnect(live.connectOptions())"), ["live", "nc"]);
    expect(await without.catch(({ code }) => code)).toBe("unsupported");
  } finally {
    subtle.mockRestore();
  }
});

test("the hook has one connection when effects run twice, and none after unmounting", async () => {
  const connections = async (): Promise<number> => {
    const response = await fetch(`${recipe.monitoring()}/connz?acc=${recipe.account().sub}`);
    return (await response.json()).num_connections;
  };
  // The server may not have noticed yet that the previous connection was closed.
  while ((await connections()) > 0) await Bun.sleep(10);
  const known = requests.length;
  writeFileSync(join(dir, "hook.tsx"), withPaths(block("useNats")));
  const { useNats } = await import(join(dir, "hook.tsx"));
  const react = await import(join(dir, "node_modules/react/index.ts"));
  const isSet = react.whenSet();
  // The first call of the setter is that of the cleanup.
  const renderHook = () => react.render(() => useNats("alice"));
  expect(renderHook()).toBeUndefined();
  await isSet;
  while (!renderHook()) await within(react.whenSet(), "the connection");
  const nc: NatsConnection = renderHook();
  await nc.flush();
  expect(requests.length - known).toBe(2);
  expect(await connections()).toBe(1);
  react.unmount();
  expect(renderHook()).toBeUndefined();
  await within(nc.closed(), "the connection to close");
  while ((await connections()) > 0) await Bun.sleep(10);
});

describe("the tables have exactly the module's", () => {
  const names = (cell = "") => codeSpans(cell);
  const table = (heading: string, column: string) => rows(section(guide, heading), column);
  const members = (path: string, type: string) => {
    const body = new RegExp(`interface ${type} .*?\\n}`, "s").exec(read(path))?.[0] ?? "";
    return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[?:(]/gm)].map(([, name]) => name as string);
  };

  test("events and their fields", () => {
    const variants = read("src/browser/events.ts").matchAll(/readonly type: "(\w+)"([^}]*)/g);
    const inCode = [...variants].map(([, type, rest = ""]) => [
      type,
      ...[...rest.matchAll(/readonly (\w+)\??:/g)].map(([, field]) => field),
    ]);
    expect(inCode.length).toBeGreaterThan(5);
    expect(table("## Events", "type").map(([type, fields]) => [...names(type), ...names(fields)])).toEqual(
      inCode as string[][],
    );
  });

  test("error codes", () => {
    const [, union = ""] = /code: (.*);/.exec(read("src/browser/errors.ts")) ?? [];
    const codes = [...union.matchAll(/"(\w+)"/g)].map(([, name]) => name as string);
    expect(table("## Errors", "code").flatMap(([name]) => names(name))).toEqual(codes);
  });

  test("fields of an endpoint", () => {
    const fields = table("## Where credentials come from", "field").flatMap(([name]) => names(name));
    expect(fields.sort()).toEqual(members("src/browser/credential/endpoint.ts", "Endpoint").sort());
  });

  test("members of the returned object", () => {
    const documented = table("## The returned object", "member").flatMap(([name]) => names(name));
    expect(documented.map((name) => name.replace(/\(.*/, "")).sort()).toEqual(
      members("src/browser/live-credentials.ts", "LiveCredentials").sort(),
    );
  });

  test("options that must not be replaced", () => {
    const named = codeSpans(section(guide, "## Options of the client"));
    const all = members("src/browser/live-credentials.ts", "ConnectionOptions");
    expect(all.filter((name) => name !== "servers" && !named.includes(name))).toEqual([]);
    const { exports } = JSON.parse(read("packages/browser/package.json"));
    expect(Object.keys(exports)).toContain(".");
  });
});

describe("the numbers are those of the code:", () => {
  const stated: Record<string, [file: string, ...constants: string[]]> = {
    "75 to 85 %": ["credential/credential.ts", "DUE_FROM = 0.15", "DUE_SPREAD = 0.1"],
    "at least 5 s before its end": ["credential/credential.ts", "DUE_LEAST = 5000"],
    "no response within 10 s": ["renewal.ts", "SOURCE_TIMEOUT = 10_000"],
    "for 10 s at least": ["renewal.ts", "TOKEN_PATIENCE = 10_000"],
    "0.2 s apart": ["time.ts", "FIRST_DELAY = 200"],
    "later ones up to 30 s": ["renewal.ts", "LONGEST_DELAY = 30_000"],
    "about 0.1 s more (0.3 s in a cluster)": [
      "transport/socket.ts",
      "SETTLE_SERVER = 100",
      "SETTLE_CLUSTER = 300",
    ],
    "does not respond for 3 s": ["transport/liveness.ts", "PROBE_TIMEOUT = 3000"],
  };

  test.each(Object.keys(stated))("%s", (text) => {
    const [file, ...constants] = stated[text] ?? [""];
    expect(guide).toContain(text);
    for (const constant of constants) expect(read(`src/browser/${file}`)).toContain(`const ${constant};`);
  });

  test("the size, whose limit another test checks", async () => {
    const limit = 5.75 * 1024;
    expect(guide).toContain("at most 5.75 KiB, minified and gzipped");
    expect(read("tests/browser/size.test.ts")).toContain("toBeLessThanOrEqual(5.75 * 1024)");
    const entrypoints = [join(projectDir, "src/browser/index.ts")];
    const { outputs } = await Bun.build({ entrypoints, target: "browser", minify: true });
    const bytes = gzipSync(await (outputs[0] as Blob).text(), { level: 9 }).length;
    expect(bytes).toBeLessThanOrEqual(limit);
    expect(bytes).toBeGreaterThan(0.9 * limit);
  });

  test("the tarball's name and the variables", () => {
    const { name, version } = JSON.parse(read("packages/browser/package.json"));
    expect(guide).toContain(`${name}-${version}.tgz`);
    const variables = codeSpans(guide).filter((span) => /^(NATS|MINT)_[A-Z_]+$/.test(span));
    expect(variables.length).toBeGreaterThan(1);
    for (const variable of variables) expect(read(".env")).toContain(`${variable}=`);
    for (const port of ["3000", "5173"]) expect(read(".env")).toContain(`http://localhost:${port}`);
  });
});
