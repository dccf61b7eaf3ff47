import { existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { LocalConfig } from "../config/local.ts";
import { LaunchError } from "./launch-error.ts";

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

/**
 * Makes sure that nats-server, nsc, nats and jq are there. If one is not, all are built: what is built then does not
 * depend on PATH.
 * @param signal stops a build
 * @returns the PATH to find them on
 * @throws {LaunchError} when they are missing and can't be built
 */
export async function prepareTools(config: ToolsConfig, signal?: AbortSignal): Promise<string> {
  const path = config.environment.PATH ?? "";
  const goMod = readFileSync(join(config.projectDir, "tools/go.mod"), "utf8");
  const missing = PROGRAMS.filter((program) => !isOnPath(program, goMod, path)).map(({ name }) => name);
  if (missing.length === 0) return path;
  const bin = join(config.projectDir, ".tools");
  if (!isBuilt(bin, goMod)) await rebuild(bin, goMod, findGo(path, missing), config, signal);
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

const isBuilt = (bin: string, goMod: string): boolean =>
  existsSync(stampFile(bin)) && readFileSync(stampFile(bin), "utf8") === stampOf(goMod);

function findGo(path: string, missing: readonly string[]): string {
  const go = Bun.which("go", { PATH: path });
  if (go) return go;
  throw new LaunchError(
    `${missing.join(", ")}: not on PATH in the versions of tools/go.mod, and neither is Go, which builds them. Install Go 1.26 or later (https://go.dev/dl), or use docker compose up.`,
  );
}

/** Builds beside `bin` and moves the result into its place, so that `bin` is never incomplete. */
async function rebuild(
  bin: string,
  goMod: string,
  go: string,
  config: ToolsConfig,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fresh = `${bin}.${process.pid}`;
  try {
    await build(go, fresh, config, signal);
    writeFileSync(stampFile(fresh), stampOf(goMod));
    rmSync(bin, { recursive: true, force: true });
    renameSync(fresh, bin);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

async function build(
  go: string,
  target: string,
  { projectDir, environment }: ToolsConfig,
  signal: AbortSignal | undefined,
): Promise<void> {
  const names = PROGRAMS.map(({ name }) => name).join(", ");
  console.log(`Building ${names} with Go; the first time takes a minute or two ...`);
  const child = Bun.spawn([go, "install", ...PROGRAMS.map(({ source }) => source)], {
    cwd: join(projectDir, "tools"),
    // GOTOOLCHAIN: with "local" an older Go would ignore the toolchain that tools/go.mod requires for its fixes.
    env: { ...environment, GOBIN: target, CGO_ENABLED: "0", GOFLAGS: "-trimpath", GOTOOLCHAIN: "auto" },
    stdio: ["ignore", "inherit", "inherit"],
    ...(signal && { signal }),
  });
  if ((await child.exited) !== 0) {
    throw new LaunchError(
      "Go could not build them: see the message above. Nothing was started. Correct the cause, then run npm start again.",
    );
  }
  if (existsSync(join(target, "gojq"))) symlinkSync("gojq", join(target, "jq"));
}
