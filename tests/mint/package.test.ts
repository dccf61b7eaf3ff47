import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, type User } from "@nats-io/jwt";
import * as browserModule from "../../src/browser/index.ts";
import type { CredsResponse } from "../../src/http/creds/response.ts";
import * as nodeModule from "../../src/node/index.ts";
import { blocks } from "../docs/markdown.ts";
import { freePorts } from "../ports.ts";
import { expectSuccess } from "../recipe/recipe.ts";
import { type Environment, logIn, makeEnvironment, runService } from "./parts.ts";

/** The package as its users get it: packed, installed in an empty project, compiled there without our settings, and run. */

const projectDir = join(import.meta.dirname, "../..");

let environment: Environment;
let dir: string;
let files: string[];

const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), "utf8"));
/** The newest Hono that was tried, and the oldest that the package accepts. */
const NEWEST_HONO: string = json(projectDir, "package.json").dependencies.hono;
const OLDEST_HONO = "4.10.0";

beforeAll(async () => {
  environment = await makeEnvironment();
  dir = mkdtempSync(join(tmpdir(), "package-"));
  const tarball = await pack(join(projectDir, "packages/server"));
  files = await contentsOf(tarball);
  await Promise.all([
    install(join(dir, "consumer"), tarball, `hono@${NEWEST_HONO}`),
    install(join(dir, "oldest"), tarball, `hono@${OLDEST_HONO}`),
  ]);
  const readme = blocks(readFileSync(join(projectDir, "packages/server/README.md"), "utf8"));
  for (const consumer of ["consumer", "oldest"]) {
    writeFileSync(join(dir, consumer, "app.ts"), CONSUMER);
    writeFileSync(
      join(dir, consumer, "readme.ts"),
      readme
        .filter(({ language }) => language === "ts")
        .map(({ text }) => text)
        .join("\n"),
    );
  }
});

afterAll(async () => {
  rmSync(dir, { recursive: true });
  await environment[Symbol.asyncDispose]();
});

/** Packs the package of a folder. */
async function pack(folder: string): Promise<string> {
  const packed = expectSuccess(await run(["npm", "pack", "--silent", "--pack-destination", dir], folder));
  return join(dir, packed.trim().split("\n").at(-1) ?? "");
}

const contentsOf = async (tarball: string) =>
  expectSuccess(await run(["tar", "-tzf", tarball]))
    .trim()
    .split("\n");

/** Installs packages in a new project. */
async function install(consumer: string, ...packages: string[]): Promise<void> {
  mkdirSync(consumer);
  writeFileSync(join(consumer, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  expectSuccess(
    await run(["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], consumer),
  );
}

/** The names of the packages that are installed in a project. */
const installed = (consumer: string) =>
  Object.keys(json(consumer, "node_modules/.package-lock.json").packages)
    .map((path) => path.replace(/^node_modules\//, ""))
    .sort();

/** An application with its own login that mounts the mint under a path. */
const CONSUMER = `
import { OpenAPIHono } from "@hono/zod-openapi";
import { Hono } from "hono";
import { hc } from "hono/client";
import {
  type CredsResponse, createApp, createMint, type Identity, type Mint, MintError, parseSubjectToken, readKeys, RoleNotAllowedError,
} from "nats-mint";

import { type BackendOptions, liveCredentials } from "nats-mint/node";

declare const process: { argv: string[] };
const backend: BackendOptions = { tls: { ca: "a certificate", handshakeFirst: true } };
if (typeof liveCredentials !== "function" || !backend.tls) throw new Error("nothing for backends");

const { mint: keys } = await readKeys(process.argv[2] ?? "");
const mint: Mint = createMint(keys);

const app = new Hono();
app.get("/", (c) => c.text("home page"));
const natsApp = createApp({
    mint,
    authenticate: (request): Identity | null => {
      const user = request.headers.get("x-user");
      return user ? { issuer: "consumer", subject: user, claims: {} } : null;
    },
    grant: ({ subject }, { role = "browser" }) => {
      if (role !== "browser") throw new RoleNotAllowedError();
      return { role, user: parseSubjectToken(subject) };
    },
    servers: { websocket: ["ws://localhost:9222"], tcp: [] },
});
app.route("/nats", natsApp);

// Applications with types of their own, and a client of their routes.
const typed = new Hono<{ Variables: { user: string }; Bindings: { KEY: string } }>();
typed.use(async (c, next) => { c.set("user", "alice"); await next(); });
const api = typed.basePath("/api").route("/nats", natsApp).get("/user", (c) => c.json({ user: c.get("user") }));
const user: { user: string } = await (await hc<typeof api>("http://localhost", {
  fetch: (input: string | URL | Request, init?: RequestInit) => Promise.resolve(typed.request(input as string, init)),
}).api.user.$get()).json();
if (user.user !== "alice") throw new Error("the application's own route does not work");
new OpenAPIHono().route("/nats", natsApp);

const requestCreds = (headers: Record<string, string>, body: object = {}, target: { request: Hono["request"] } = app, path = "/nats/creds") =>
  target.request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const given: CredsResponse = await (await requestCreds({ "X-User": "alice" })).json();
const statuses: number[] = [];
if ((await requestCreds({ "X-User": "alice" }, {}, typed as never, "/api/nats/creds")).status !== 200) throw new Error("not mounted");
for (const response of [requestCreds({}), requestCreds({ "X-User": "*" }), requestCreds({ "X-User": "alice" }, { role: "service" })]) {
  statuses.push((await response).status);
}
let code: string | undefined;
try {
  mint.issue({ role: "browser", user: "*" as never });
} catch (error) {
  if (error instanceof MintError) code = error.code;
}
const home = await (await app.request("/")).text();
console.log(JSON.stringify({ given, statuses, code, home }));
`;

interface ConsumerOutput {
  given: CredsResponse;
  statuses: number[];
  code: string;
  home: string;
}

async function run(command: string[], cwd = dir) {
  const child = Bun.spawn(command, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const [out, error] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const code = await child.exited;
  return { code, output: code === 0 ? out : out + error };
}

test("the package contains the compiled files and nothing else: no tests, no settings, no keys", async () => {
  expect(files).toContain("package/package.json");
  expect(files).toContain("package/dist/index.js");
  expect(files).toContain("package/dist/index.d.ts");
  expect(files).toContain("package/README.md");
  expect(files).toContain("package/LICENSE");
  const others = files.filter((file) => !/^package\/dist\/[\w/-]+\.(js|d\.ts)$/.test(file));
  expect(others.filter((file) => !/^package\/(package\.json|README\.md|LICENSE)$/.test(file))).toEqual([]);
  expect(
    files.filter((file) => /test|fixture|\.env|\.nk$|config|local|\/client\.|\/server\./.test(file)),
  ).toEqual([]);
  const found = await run([
    "grep",
    "-rlE",
    "S[AOU][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{20}",
    "consumer/node_modules/nats-mint",
  ]);
  expect(found).toEqual({ code: 1, output: "" });
});

test("the package installs what it uses, and not what only the service of the recipe uses", () => {
  const folder = join(projectDir, "packages/server");
  const { dependencies, peerDependencies } = json(folder, "package.json");
  const used = files
    .filter((file) => file.endsWith(".js"))
    .flatMap((file) => [
      ...readFileSync(
        join(dir, "consumer/node_modules/nats-mint", file.replace("package/", "")),
        "utf8",
      ).matchAll(/^(?:import|export)\b[^"]*? from "([^".][^"]*)"/gm),
    ])
    .map(([, name = ""]) => name)
    .filter((name) => !name.startsWith("node:"))
    .map((name) =>
      name.startsWith("@") ? name.split("/").slice(0, 2).join("/") : (name.split("/")[0] ?? ""),
    );
  expect([...new Set(used)].sort()).toEqual(Object.keys({ ...dependencies, ...peerDependencies }).sort());
  for (const name of ["pino", "prom-client", "nats", "nats.ws"]) {
    expect(installed(join(dir, "consumer"))).not.toContain(name);
  }
  const { version, license, dependencies: pinned } = json(projectDir, "package.json");
  expect(json(folder, "package.json")).toMatchObject({ version, license });
  for (const [name, version] of Object.entries(dependencies))
    expect([name, pinned[name]]).toEqual([name, version]);
});

test.each([
  ["consumer", NEWEST_HONO],
  ["oldest", OLDEST_HONO],
])("the project %s has one Hono, %s", (consumer, version) => {
  expect(json(dir, consumer, "node_modules/hono/package.json").version).toBe(version);
  expect(installed(join(dir, consumer)).filter((name) => /(^|\/)hono$/.test(name))).toEqual(["hono"]);
});

test("the package refuses a Hono that is too old or too new", () => {
  const { peerDependencies } = json(projectDir, "packages/server/package.json");
  const accepts = (version: string) => Bun.semver.satisfies(version, peerDependencies.hono);
  expect(["4.9.12", OLDEST_HONO, "4.12.34", NEWEST_HONO, "5.0.0"].map(accepts)).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
});

describe.each(["consumer", "oldest"])("in the project %s", (consumer) => {
  test("a strict project compiles with its declarations, without Bun's types and with all libraries checked", async () => {
    writeFileSync(
      join(dir, consumer, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          types: [],
          target: "es2022",
          lib: ["es2022", "dom", "dom.iterable"],
          module: "nodenext",
          outDir: "out",
        },
        files: ["app.ts", "readme.ts"],
      }),
    );
    expectSuccess(await run([join(projectDir, "node_modules/.bin/tsc")], join(dir, consumer)));
  });

  for (const [runtime, command] of [
    ["Node", ["node", "out/app.js"]],
    ["Bun", [process.execPath, "--no-env-file", "app.ts"]],
  ] as const) {
    test(`it issues a credential in another application on ${runtime}, and the server accepts it`, async () => {
      const output = expectSuccess(
        await run([...command, environment.recipe.env.KEYS_DIR ?? ""], join(dir, consumer)),
      );
      const { given, statuses, code, home } = JSON.parse(output) as ConsumerOutput;
      expect(decode<User>(given.jwt).name).toBe("alice");
      expect(statuses).toEqual([401, 422, 403]);
      expect(code).toBe("invalid_user");
      expect(home).toBe("home page");
      await using alice = await logIn(given, environment.url("ws"));
      const received = await alice.subscribe("users.alice.>");
      alice.nc.publish("users.alice.x", "hello");
      await alice.nc.flush();
      expect(received.messages).toEqual(["hello"]);
    });
  }
});

test("the example issues a credential after its own login, and none without", async () => {
  const [port] = await freePorts(1);
  await using example = runService(
    [process.execPath, "--no-env-file", join(projectDir, "examples/hono-app.ts")],
    {
      PATH: process.env.PATH ?? "",
      PORT: String(port),
      MINT_KEYS_DIR: environment.recipe.env.KEYS_DIR ?? "",
    },
  );
  await example.waitFor(new RegExp(`:${port}`));
  const url = `http://localhost:${port}`;
  const requestCreds = (headers: Record<string, string>) =>
    fetch(`${url}/nats/creds`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: "{}",
    });
  expect((await requestCreds({})).status).toBe(401);
  expect((await requestCreds({ Cookie: "session=made-up" })).status).toBe(401);

  const welcome = await fetch(`${url}/login`, {
    method: "POST",
    body: new URLSearchParams({ user: "alice" }),
  });
  const cookie = welcome.headers.get("Set-Cookie")?.split(";")[0] ?? "";
  expect(await (await fetch(url, { headers: { Cookie: cookie } })).text()).toBe("alice");
  const response = await requestCreds({ Cookie: cookie });
  await using alice = await logIn((await response.json()) as CredsResponse, environment.url("ws"));
  const received = await alice.subscribe("users.alice.>");
  alice.nc.publish("users.alice.x", "hello");
  await alice.nc.flush();
  expect(received.messages).toEqual(["hello"]);

  const hostile = await fetch(`${url}/login`, { method: "POST", body: new URLSearchParams({ user: "*" }) });
  expect(hostile.headers.get("Set-Cookie")).toBeNull();
});

describe("the package nats-mint-browser", () => {
  const folder = join(projectDir, "packages/browser");
  let page: string;
  let contents: string[];

  beforeAll(async () => {
    page = join(dir, "page");
    const tarball = await pack(folder);
    contents = await contentsOf(tarball);
    await install(page, tarball);
  });

  test("has the version and the license of nats-mint", () => {
    const { version, license } = json(projectDir, "package.json");
    expect(json(folder, "package.json")).toMatchObject({ version, license });
  });

  test("contains the compiled module, LICENSE and README, and nothing else", () => {
    const others = contents.filter((file) => !/^package\/dist\/[\w/-]+\.(js|d\.ts)$/.test(file));
    expect(others.sort()).toEqual(["package/LICENSE", "package/README.md", "package/package.json"]);
    expect(contents.filter((file) => /test|fixture/.test(file))).toEqual([]);
    expect(readFileSync(join(page, "node_modules/nats-mint-browser", "LICENSE"), "utf8")).toBe(
      readFileSync(join(projectDir, "LICENSE"), "utf8"),
    );
  });

  test("installs no other package", () => {
    const packages = readdirSync(join(page, "node_modules")).filter((name) => !name.startsWith("."));
    expect(packages).toEqual(["nats-mint-browser"]);
  });

  test("exports what nats-mint/browser and nats-mint/node export", async () => {
    for (const [path, module] of [
      ["", browserModule],
      ["/node", nodeModule],
    ] as const) {
      for (const name of ["nats-mint-browser", "nats-mint"]) {
        const from = name === "nats-mint" ? join(dir, "consumer") : page;
        const entry = `${name}${path || (name === "nats-mint" ? "/browser" : "")}`;
        const exported = await import(Bun.resolveSync(entry, from));
        expect([entry, Object.keys(exported).sort()]).toEqual([entry, Object.keys(module).sort()]);
      }
    }
  });

  test("has a program in its README that compiles with its declarations and can be bundled for a page", async () => {
    symlinkSync(join(projectDir, "node_modules/nats.ws"), join(page, "node_modules/nats.ws"));
    const program = blocks(readFileSync(join(folder, "README.md"), "utf8")).filter(
      ({ language }) => language === "ts",
    );
    writeFileSync(join(page, "page.ts"), program.map(({ text }) => text).join("\n"));
    writeFileSync(
      join(page, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          // nats.ws's own declarations don't compile with exactOptionalPropertyTypes
          skipLibCheck: false,
          types: [],
          target: "es2022",
          lib: ["es2022", "dom", "dom.iterable"],
          module: "esnext",
          moduleResolution: "bundler",
          noEmit: true,
        },
        files: ["page.ts"],
      }),
    );
    expectSuccess(await run([join(projectDir, "node_modules/.bin/tsc")], page));

    // Only this package is under test, so the client stays an import.
    const { outputs } = await Bun.build({
      entrypoints: [join(page, "page.ts")],
      target: "browser",
      external: ["nats.ws"],
    });
    const imports = new Bun.Transpiler({ loader: "js" }).scanImports((await outputs[0]?.text()) ?? "");
    expect(imports.map(({ path }) => path)).toEqual(["nats.ws"]);
  });
});
