import { existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { LocalConfig } from "../config/config.ts";
import { LaunchError } from "./launch-error.ts";

/** The programs that the images bring, for a machine without Docker: taken from PATH, or built from tools/go.mod. */
const programs = [
  {
    name: "nats-server",
    module: "github.com/nats-io/nats-server/v2",
    source: "github.com/nats-io/nats-server/v2",
  },
  { name: "nsc", module: "github.com/nats-io/nsc/v2", source: "github.com/nats-io/nsc/v2" },
  { name: "nats", module: "github.com/nats-io/natscli", source: "github.com/nats-io/natscli/nats" },
  { name: "jq", module: undefined, source: "github.com/itchyny/gojq/cmd/gojq" },
] as const;

type Program = (typeof programs)[number];

/**
 * Makes sure that nats-server, nsc, nats and jq are there.
 * @param signal stops a build
 * @returns the PATH on which they are
 * @throws {LaunchError} when they are missing and can't be built
 */
export async function prepareTools(
  { projectDir, environment }: Pick<LocalConfig, "projectDir" | "environment">,
  signal?: AbortSignal,
): Promise<string> {
  const path = environment.PATH ?? "";
  const goMod = readFileSync(join(projectDir, "tools/go.mod"), "utf8");
  const missing = programs.filter((program) => !isOnPath(program, goMod, path)).map(({ name }) => name);
  if (missing.length === 0) return path;

  const bin = join(projectDir, ".tools");
  const stamp = join(bin, "stamp");
  const version = String(Bun.hash(goMod));
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== version) {
    const fresh = `${bin}.${process.pid}`;
    try {
      await build(missing, { from: join(projectDir, "tools"), to: fresh, environment, signal });
      writeFileSync(join(fresh, "stamp"), version);
      rmSync(bin, { recursive: true, force: true });
      renameSync(fresh, bin);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }
  return [bin, path].join(delimiter);
}

/** Whether PATH has the program in the version that tools/go.mod pins; for jq, in any from 1.7 on: 1.6 takes 40 ms a call. */
function isOnPath(program: Program, goMod: string, path: string): boolean {
  const command = Bun.which(program.name, { PATH: path });
  if (!command) return false;
  const { stdout, stderr } = Bun.spawnSync([command, "--version"], { stdin: "ignore" });
  if (!program.module) return /\bjq-1\.([7-9]|\d\d)|^gojq/.test(String(stdout));
  const version = pinned(goMod, program.module);
  return `${stdout} ${stderr}`.split(/[\sv]+/).includes(version);
}

function pinned(goMod: string, module: string): string {
  const version = goMod
    .split("\n")
    .map((line) => line.trim().split(" "))
    .find(([name, version]) => name === module && version)?.[1];
  if (!version) throw new LaunchError(`tools/go.mod does not name ${module}; bring it back from git.`);
  return version.slice(1);
}

interface Build {
  readonly from: string;
  readonly to: string;
  readonly environment: LocalConfig["environment"];
  readonly signal: AbortSignal | undefined;
}

/** Builds all of them, whatever is missing: what is built then does not depend on PATH. */
async function build(missing: readonly string[], { from, to, environment, signal }: Build): Promise<void> {
  const go = Bun.which("go", { PATH: environment.PATH ?? "" });
  if (!go) {
    throw new LaunchError(
      `${missing.join(", ")}: not on PATH in the versions of tools/go.mod, and neither is Go, which builds them. Install Go 1.26 or later (https://go.dev/dl), or use docker compose up.`,
    );
  }
  console.log(
    `Building ${programs.map(({ name }) => name).join(", ")} with Go; the first time takes a minute or two ...`,
  );
  const child = Bun.spawn([go, "install", ...programs.map(({ source }) => source)], {
    cwd: from,
    // GOTOOLCHAIN: where it is "local", an older Go would ignore the toolchain that tools/go.mod names for its fixes
    env: { ...environment, GOBIN: to, CGO_ENABLED: "0", GOFLAGS: "-trimpath", GOTOOLCHAIN: "auto" },
    stdio: ["ignore", "inherit", "inherit"],
    ...(signal && { signal }),
  });
  if ((await child.exited) !== 0) {
    throw new LaunchError(
      "Go could not build them, see above. Nothing was started; run npm start again when that is mended.",
    );
  }
  if (existsSync(join(to, "gojq"))) symlinkSync("gojq", join(to, "jq"));
}
