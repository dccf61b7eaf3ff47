import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalConfig, readLocalConfig } from "../../src/config/local.ts";
import { serviceEnvironment } from "../../src/local/environment.ts";
import { prepareTools } from "../../src/local/tools.ts";
import { freePorts } from "../ports.ts";

/**
 * The recipe in a directory of its own, on free ports: the same scripts as in the containers, the real nsc and
 * nats-server. `await using` stops what runs and removes everything.
 */

const toolPath = await prepareTools(readLocalConfig());

/** The exit code and the output of a script or program. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

export type Recipe = Awaited<ReturnType<typeof makeRecipe>>;

export async function makeRecipe(settings: Record<string, string> = {}) {
  const dir = mkdtempSync(join(tmpdir(), "recipe-"));
  const [nats, webSocket, monitoring, mint] = await freePorts(4);
  const config: LocalConfig = {
    ...readLocalConfig(),
    dataDir: dir,
    ports: { nats, webSocket, monitoring, mint } as LocalConfig["ports"],
  };
  const env: Record<string, string> = {
    ...serviceEnvironment(config, toolPath),
    ROLES_DIR: join(dir, "roles"),
    STREAMS_DIR: join(dir, "streams"),
    SECRETS_DIR: join(dir, "secrets"),
    PUSH_PATIENCE: "10",
    // The prepared states, which have other ports, are copied.
    MINT_PUBLISHED_PORT: "",
    ...settings,
  };
  const rolesDir = join(dir, "roles");
  cpSync(join(config.projectDir, "fs/nats-init/roles"), rolesDir, { recursive: true });
  cpSync(join(config.projectDir, "fs/nats-push/streams"), join(dir, "streams"), { recursive: true });
  mkdirSync(join(dir, "secrets"));
  mkdirSync(join(dir, "keys"));
  let server: Bun.Subprocess | undefined;

  /** Runs a program to its end, with the recipe's environment. */
  async function run(command: string[], more: Record<string, string> = {}): Promise<Outcome> {
    const child = Bun.spawn(command, { env: { ...env, ...more }, stdio: ["ignore", "pipe", "pipe"] });
    const [out, error] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, output: out + error };
  }

  const script =
    (path: string) =>
    (more?: Record<string, string>, ...args: string[]) =>
      run(["/bin/sh", join(config.projectDir, "fs", path), ...args], more);

  const recipe = {
    dir,
    env,
    ports: config.ports,
    rolesDir,
    run,

    init: script("nats-init/init.sh"),
    push: script("nats-push/push.sh"),
    export: script("nats-export/export.sh"),

    /** nsc with the active store, as an operator would use it. */
    nsc: (...command: string[]) => run(["/bin/sh", join(config.projectDir, "fs/nsc/nsc.sh"), ...command]),

    /** The URL of the server's monitoring, or of another server with this configuration. */
    monitoring: (port = config.ports.monitoring) =>
      `http://127.0.0.1:${port}${readFileSync(join(dir, "nats/config/monitoring.conf"), "utf8").split('"')[1]}`,

    /** Starts nats-server and waits until it is ready. */
    async startServer(): Promise<void> {
      server = Bun.spawn(["nats-server", "-c", join(dir, "nats/config/nats.conf")], {
        env,
        stdio: ["ignore", "ignore", Bun.file(join(dir, "nats-server.log"))],
      });
      const { exited } = server;
      let hasExited = false;
      void exited.then(() => {
        hasExited = true;
      });
      while (
        !(await fetch(`${recipe.monitoring()}/healthz?js-enabled-only=true`).then(
          ({ ok }) => ok,
          () => false,
        ))
      ) {
        if (hasExited)
          throw new Error(`nats-server ended: ${readFileSync(join(dir, "nats-server.log"), "utf8")}`);
        await Bun.sleep(10);
      }
    },

    async stopServer(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
      server?.kill(signal);
      await server?.exited;
      server = undefined;
    },

    /** init, server, push, export: all of them, which must succeed. */
    async up(): Promise<string> {
      const output = [expectSuccess(await recipe.init())];
      if (!server) await recipe.startServer();
      output.push(expectSuccess(await recipe.push()), expectSuccess(await recipe.export()));
      return output.join("");
    },

    /** The claims of the application's account, as the nsc store has them. */
    account: (): AccountClaims => decode(readFileSync(recipe.accountFile(), "utf8")),

    accountFile: () =>
      join(
        dir,
        "nsc/current/stores",
        env.NATS_OPERATOR ?? "",
        "accounts",
        env.NATS_ACCOUNT ?? "",
        `${env.NATS_ACCOUNT}.jwt`,
      ),

    /** The claims of the account as the server holds them. */
    accountOnServer: (): AccountClaims =>
      decode(readFileSync(join(dir, "nats/jwt", `${recipe.account().sub}.jwt`), "utf8")),

    writeRole: (name: string, role: unknown) =>
      writeFileSync(join(rolesDir, `${name}.json`), typeof role === "string" ? role : JSON.stringify(role)),

    removeRole: (name: string) => rmSync(join(rolesDir, `${name}.json`)),

    /** The names of the nsc store's generations. */
    generations: () =>
      existsSync(join(dir, "nsc/generations")) ? readdirSync(join(dir, "nsc/generations")) : [],

    async [Symbol.asyncDispose](): Promise<void> {
      await recipe.stopServer("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return recipe;
}

/** Roles besides the recipe's own, by their names. */
type Roles = Record<string, unknown>;

/** Settings that do not change the prepared state, the origins, which are applied to a copy of it, and the owner of the server's directories. */
type StartSettings = Partial<Record<"MINT_PORT" | "NATS_WS_ORIGINS" | "SERVER_OWNER", string>>;

/** A running recipe, as after `makeRecipe` and `up`, but from a copy of a prepared state. */
export async function startRecipe(settings: StartSettings = {}, roles: Roles = {}): Promise<Recipe> {
  const recipe = await copyRecipe(settings, roles);
  try {
    await recipe.startServer();
  } catch (error) {
    await recipe[Symbol.asyncDispose]();
    throw error;
  }
  return recipe;
}

/** The same, with its server stopped. */
export async function copyRecipe(settings: StartSettings = {}, roles: Roles = {}): Promise<Recipe> {
  const recipe = await makeRecipe(settings);
  try {
    copyTree(await prepareState(roles, settings.SERVER_OWNER ?? ""), recipe.dir);
    if (settings.NATS_WS_ORIGINS) expectSuccess(await recipe.init());
  } catch (error) {
    await recipe[Symbol.asyncDispose]();
    throw error;
  }
  return recipe;
}

/** What `up` writes to a recipe's directory, and its roles. None of it contains the directory or a port. */
const STATE = ["nsc", "nats", "keys", "secrets", "roles"];

const prepared = new Map<string, Promise<string>>();

/** A directory with the prepared state, made by the first process of a test run that needs it. */
function prepareState(roles: Roles, owner: string): Promise<string> {
  const name = `recipe-${Bun.hash(JSON.stringify([roles, owner]))}`;
  const target = join(process.env.TESTS_DIR as string, name);
  const state = prepared.get(target) ?? makeState(target, roles, owner);
  prepared.set(target, state);
  return state;
}

async function makeState(target: string, roles: Roles, owner: string): Promise<string> {
  if (existsSync(target)) return target;
  await using recipe = await makeRecipe({ SERVER_OWNER: owner });
  for (const [name, role] of Object.entries(roles)) recipe.writeRole(name, role);
  await recipe.up();
  await recipe.stopServer();
  const made = mkdtempSync(`${target}-`);
  for (const name of STATE) renameSync(join(recipe.dir, name), join(made, name));
  try {
    renameSync(made, target);
  } catch (error) {
    // Another process has made it meanwhile.
    if (!existsSync(target)) throw error;
    rmSync(made, { recursive: true });
  }
  return target;
}

/** Copies the contents of a directory, with owners and modes. Links are copied as links. */
function copyTree(from: string, to: string): void {
  const { exitCode, stderr } = Bun.spawnSync(["cp", "-RPp", `${from}/.`, to]);
  if (exitCode !== 0) throw new Error(`cp failed: ${stderr}`);
}

/** The output of a program that must succeed. */
export function expectSuccess({ code, output }: Outcome): string {
  if (code !== 0) throw new Error(`ended with ${code}:\n${output}`);
  return output;
}

export interface AccountClaims {
  readonly sub: string;
  readonly iat: number;
  readonly jti: string;
  readonly nats: {
    readonly limits: Record<string, number>;
    readonly revocations?: Record<string, number>;
    readonly tags?: readonly string[];
    readonly signing_keys: (string | { key: string; role: string; template: Record<string, unknown> })[];
  };
}

export function decode<T>(jwt: string): T {
  return JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
}
