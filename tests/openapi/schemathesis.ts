import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../recipe/recipe.ts";

/** Schemathesis, which generates requests from an OpenAPI document and checks that the responses conform to it. */

const projectDir = join(import.meta.dirname, "../..");
const requirements = join(import.meta.dirname, "requirements.txt");
// Each version of the requirements has its own installation.
const installation = join(
  projectDir,
  ".tools-python",
  createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 16),
);

/** Why it can't run on this machine; undefined if it can. */
export function missing(): string | undefined {
  const python = Bun.which("python3");
  if (!python) return "python3 is not on PATH";
  const wanted = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
  const { exitCode } = Bun.spawnSync([python, "-c", wanted], { stdio: ["ignore", "ignore", "ignore"] });
  return exitCode === 0 ? undefined : "python3 is older than 3.11, or has no venv";
}

/** Installs it into the checkout, unless it is installed. */
export async function install(): Promise<void> {
  if (existsSync(join(installation, "complete"))) return;
  // A virtual environment contains its own path, so it is made in its final place. The file `complete` marks it as ready.
  rmSync(installation, { recursive: true, force: true });
  mkdirSync(installation, { recursive: true });
  await runOrThrow(["python3", "-m", "venv", installation]);
  const pip = [join(installation, "bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input"];
  await runOrThrow([...pip, "install", "--quiet", "--no-deps", "--requirement", requirements]);
  writeFileSync(join(installation, "complete.new"), "");
  renameSync(join(installation, "complete.new"), join(installation, "complete"));
}

/** Runs it to its end, in a directory for the files that it writes. */
export function run(dir: string, ...options: string[]): Promise<Outcome> {
  const config = join(import.meta.dirname, "schemathesis.toml");
  const command = [join(installation, "bin/schemathesis"), "--config-file", config, "run", ...options];
  return spawn([...command, "--checks", "all", "--no-color"], dir);
}

async function runOrThrow(command: string[]): Promise<void> {
  const { code, output } = await spawn(command, projectDir);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}:\n${output}`);
}

async function spawn(command: string[], cwd: string): Promise<Outcome> {
  const env = {
    ...process.env,
    SCHEMATHESIS_HOOKS: "hooks",
    PYTHONPATH: import.meta.dirname,
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const child = Bun.spawn(command, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: output.join("") };
}
