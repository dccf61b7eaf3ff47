import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon/package.json" with { type: "json" };

/** The machine of the benchmark: its cores and the available programs. */

const findProgram = (program: string): string | undefined => Bun.which(program) ?? undefined;

export interface Machine {
  /** The core of the measured program, and the core of the load; undefined if programs can't be pinned to a core. */
  readonly cores: { readonly work: number; readonly load: number } | undefined;
  /** All cores of the machine. */
  readonly coreCount: number;
  readonly wrk: string | undefined;
  /** The peers in Go, built; undefined without Go. */
  readonly goPeers: string | undefined;
  /** Machine and versions in one sentence. */
  readonly description: string;
  /** What is missing, and what is left out because of it; one sentence each. */
  readonly missing: readonly string[];
}

export async function inspectMachine(scratch: string): Promise<Machine> {
  const missing: string[] = [];
  const report = (sentence: string) => {
    missing.push(sentence);
  };
  const own = ownCores();
  const [work, load = work] = own;
  const cores =
    findProgram("taskset") && work !== undefined && load !== undefined ? { work, load } : undefined;
  if (!cores) report("`taskset` or the list of cores is not available: no program is pinned to a core.");
  else if (own.length < 2) report("There is only one core: the load and the measured program share it.");
  const wrk = findProgram("wrk");
  if (!wrk)
    report("`wrk` is not on PATH: the load comes from `autocannon`, which is slower than some servers.");
  const goPeers = await buildGoPeers(scratch, report);
  const versions = [
    `Bun ${Bun.version}`,
    goPeers && (await firstLine(["go", "env", "GOVERSION"])).replace("go", "Go "),
    wrk ? (await firstLine([wrk, "-v"])).replace(/ \[.*/, "") : `autocannon ${autocannon.version}`,
  ];
  const description = `${cpus()[0]?.model ?? arch()}, ${availableParallelism()} cores, ${platform()} ${release()}; ${versions.filter(Boolean).join(", ")}`;
  return { cores, coreCount: availableParallelism(), wrk, goPeers, description, missing };
}

/** The cores that this process may use. */
function ownCores(): number[] {
  if (platform() !== "linux") return [];
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

async function buildGoPeers(
  scratch: string,
  report: (sentence: string) => void,
): Promise<string | undefined> {
  const go = findProgram("go");
  if (!go) {
    report("`go` is not on PATH: the peers in Go are left out.");
    return undefined;
  }
  const program = join(scratch, "go-peers");
  const build = Bun.spawn([go, "build", "-mod=readonly", "-buildvcs=false", "-o", program, "."], {
    cwd: join(import.meta.dirname, "go"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await build.exited) === 0) return program;
  report("`go build` failed: the peers in Go are left out.");
  return undefined;
}

/** The first line of the output of a program, which may be on standard error, with any exit code. */
async function firstLine(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
  const output = (await new Response(child.stdout).text()) || (await new Response(child.stderr).text());
  return output.split("\n")[0]?.trim() ?? "";
}
