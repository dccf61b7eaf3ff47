import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { LocalConfig } from "../config/local.ts";
import { LaunchError } from "./launch-error.ts";
import { createOutput, LAUNCHER, type Output } from "./output.ts";

/** The programs that the images contain, for a machine without Docker: taken from PATH, or built from tools/go.mod. */

interface Program {
  readonly name: string;
  /** The Go module whose version in tools/go.mod is needed; undefined where any version will do that `isOnPath` accepts. */
  readonly module: string | undefined;
  /** The Go package to build. */
  readonly source: string;
}

const PROGRAMS: readonly Program[] = [
  {
    name: "nats-server",
    module: "github.com/nats-io/nats-server/v2",
    source: "github.com/nats-io/nats-server/v2",
  },
  { name: "nsc", module: "github.com/nats-io/nsc/v2", source: "github.com/nats-io/nsc/v2" },
  { name: "nats", module: "github.com/nats-io/natscli", source: "github.com/nats-io/natscli/nats" },
  { name: "jq", module: undefined, source: "github.com/itchyny/gojq/cmd/gojq" },
];

type ToolsConfig = Pick<LocalConfig, "projectDir" | "environment">;

export interface PrepareOptions {
  /** Receives the progress of a build; standard error by default. */
  readonly output?: Output;
  /** Stops a build. */
  readonly signal?: AbortSignal;
}

/**
 * Makes sure that nats-server, nsc, nats and jq are there, and builds those that are missing.
 * @returns the PATH to find them on
 * @throws {LaunchError} when they are missing and can't be built
 */
export async function prepareTools(config: ToolsConfig, options: PrepareOptions = {}): Promise<string> {
  const path = config.environment.PATH ?? "";
  const goMod = readFileSync(join(config.projectDir, "tools/go.mod"), "utf8");
  const missing = PROGRAMS.filter((program) => !isOnPath(program, goMod, path));
  if (missing.length === 0) return path;
  const bin = join(config.projectDir, ".tools");
  const isCurrent = hasStamp(bin, goMod);
  const toBuild = missing.filter(({ name }) => !isCurrent || !existsSync(join(bin, name)));
  if (toBuild.length > 0) {
    const go = findGo(path, toBuild);
    if (!isCurrent) startAnew(bin, goMod);
    await build(toBuild, { bin, go, ...config, ...options });
  }
  return [bin, path].join(delimiter);
}

/** Whether PATH has the program in the version of tools/go.mod; jq from 1.7 on, since 1.6 takes 40 ms for each call. */
function isOnPath({ name, module }: Program, goMod: string, path: string): boolean {
  const command = Bun.which(name, { PATH: path });
  if (!command) return false;
  const { stdout, stderr } = Bun.spawnSync([command, "--version"], { stdin: "ignore" });
  if (!module) return /\bjq-1\.([7-9]|\d\d)|^gojq/.test(String(stdout));
  return `${stdout} ${stderr}`.split(/[\sv]+/).includes(pinnedVersion(goMod, module));
}

function pinnedVersion(goMod: string, module: string): string {
  const version = goMod
    .split("\n")
    .map((line) => line.trim().split(" "))
    .find(([name, version]) => name === module && version)?.[1];
  if (!version) {
    throw new LaunchError(`tools/go.mod does not name ${module}. Restore it: git checkout tools/go.mod`);
  }
  return version.slice(1);
}

/** Changes with tools/go.mod; kept beside the programs that were built from it. */
const stampOf = (goMod: string) => String(Bun.hash(goMod));
const stampFile = (bin: string) => join(bin, "stamp");

const hasStamp = (bin: string, goMod: string): boolean =>
  existsSync(stampFile(bin)) && readFileSync(stampFile(bin), "utf8") === stampOf(goMod);

/** Removes programs of other versions. */
function startAnew(bin: string, goMod: string): void {
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  writeFileSync(stampFile(bin), stampOf(goMod));
}

function findGo(path: string, missing: readonly Program[]): string {
  const go = Bun.which("go", { PATH: path });
  if (go) return go;
  throw new LaunchError(
    `${namesOf(missing)}: not on PATH in the versions of tools/go.mod, and neither is Go, which builds them. Install Go 1.26 or later (https://go.dev/dl), or use docker compose up.`,
  );
}

const namesOf = (programs: readonly Program[]) => programs.map(({ name }) => name).join(", ");

interface BuildOptions extends ToolsConfig, PrepareOptions {
  /** The directory for the programs. */
  readonly bin: string;
  readonly go: string;
}

/** Builds programs beside `bin` and moves each into it, so that `bin` has no incomplete program. */
async function build(programs: readonly Program[], options: BuildOptions): Promise<void> {
  const { bin, output = createOutput({ stdout: process.stderr, stderr: process.stderr, env: process.env }) } =
    options;
  const fresh = `${bin}.${process.pid}`;
  try {
    await compile(programs, fresh, output, options);
    if (existsSync(join(fresh, "gojq"))) symlinkSync("gojq", join(fresh, "jq"));
    for (const name of readdirSync(fresh)) renameSync(join(fresh, name), join(bin, name));
  } finally {
    output.done();
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Go names each module that it downloads, and with -v each package that it compiles. */
async function compile(
  programs: readonly Program[],
  target: string,
  output: Output,
  { go, projectDir, environment, signal }: BuildOptions,
): Promise<void> {
  const names = namesOf(programs);
  const began = performance.now();
  /** How far it is. */
  let state: { readonly what: string; readonly fields: Readonly<Record<string, unknown>> } | undefined;
  const show = () => {
    if (!state) return;
    const seconds = Math.round((performance.now() - began) / 1000);
    output.progress(`Building ${names} with Go: ${state.what}, ${seconds} s`, { ...state.fields, seconds });
  };
  const report = (what: string, fields: Readonly<Record<string, unknown>>) => {
    state = { what, fields };
    show();
  };
  output.line({
    level: "info",
    source: LAUNCHER,
    msg: `Building ${names} with Go, which takes a minute or more. Later starts don't need it.`,
  });

  /** Runs Go to its end, and returns the lines of its standard output. */
  async function runGo(args: readonly string[], onLine: (line: string) => void): Promise<string[]> {
    const child = Bun.spawn([go, ...args, ...programs.map(({ source }) => source)], {
      cwd: join(projectDir, "tools"),
      // GOTOOLCHAIN: with "local" an older Go would ignore the toolchain that tools/go.mod requires for its fixes.
      env: { ...environment, GOBIN: target, CGO_ENABLED: "0", GOFLAGS: "-trimpath", GOTOOLCHAIN: "auto" },
      stdio: ["ignore", "pipe", "pipe"],
      ...(signal && { signal }),
    });
    const messages: string[] = [];
    const read = async () => {
      for await (const line of linesOf(child.stderr)) {
        messages.push(line);
        onLine(line);
      }
    };
    const [stdout] = await Promise.all([new Response(child.stdout).text(), read()]);
    if ((await child.exited) === 0) return stdout.split("\n").filter(Boolean);
    output.done();
    for (const msg of messages.filter(isGoError)) output.line({ level: "error", source: "go", msg });
    throw new LaunchError(
      "Go could not build them: see the message above. Nothing was started. Correct the cause, then run npm start again.",
    );
  }

  let downloaded = 0;
  const onDownload = (line: string) => {
    if (!line.startsWith(DOWNLOADING)) return;
    downloaded++;
    report(`${downloaded} ${downloaded === 1 ? "module" : "modules"} downloaded`, { downloaded });
  };
  // Go may report nothing for many seconds.
  const timer = setInterval(show, 1000);
  using _ = { [Symbol.dispose]: () => clearInterval(timer) };
  const stale = await runGo(["list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"], onDownload);

  const packages = new Set(stale);
  const total = packages.size;
  report(`0 of ${total} packages`, { packages: 0, total });
  await runGo(["install", "-v"], (line) => {
    if (!packages.delete(line)) return;
    const done = total - packages.size;
    report(`${done} of ${total} packages`, { packages: done, total });
  });
}

const DOWNLOADING = "go: downloading ";

/** Whether Go's line is more than a report of its progress: the path of a package has no space. */
const isGoError = (line: string): boolean => line.includes(" ") && !line.startsWith(DOWNLOADING);

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  yield* createInterface({ input: Readable.fromWeb(stream as never) });
}
