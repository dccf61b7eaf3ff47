import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, platform, release } from "node:os";
import { join } from "node:path";
import autocannon from "autocannon/package.json" with { type: "json" };

/** What the measuring is done with: this machine, its cores, and the programs that are there. */

const lookUp = (program: string): string | undefined => Bun.which(program) ?? undefined;

export interface Machine {
  /** Where what is measured runs, and where the load comes from; undefined where programs can't be kept on a core. */
  readonly cores: { readonly work: number; readonly load: number } | undefined;
  /** Those that there are for all of it. */
  readonly coreCount: number;
  readonly wrk: string | undefined;
  /** The peers in Go, built; undefined without Go. */
  readonly goPeers: string | undefined;
  /** Machine and versions in one sentence. */
  readonly description: string;
  /** What is missing, and what is left out for it; one sentence each. */
  readonly missing: readonly string[];
}

export async function lookAround(scratch: string): Promise<Machine> {
  const missing: string[] = [];
  const say = (sentence: string) => {
    missing.push(sentence);
  };
  const own = ownCores();
  const [work, load = work] = own;
  const cores = lookUp("taskset") && work !== undefined && load !== undefined ? { work, load } : undefined;
  if (!cores) say("`taskset` or the list of cores is not there: nothing is kept on one core.");
  else if (own.length < 2) say("There is one core: the load takes its share of it from what is measured.");
  const wrk = lookUp("wrk");
  if (!wrk) say("`wrk` is not on PATH: the load comes from `autocannon`, which is slower than some servers.");
  const goPeers = await buildGoPeers(scratch, say);
  const versions = [
    `Bun ${Bun.version}`,
    goPeers && (await firstLine(["go", "env", "GOVERSION"])).replace("go", "Go "),
    wrk ? (await firstLine([wrk, "-v"])).replace(/ \[.*/, "") : `autocannon ${autocannon.version}`,
  ];
  const description = `${cpus()[0]?.model ?? arch()}, ${availableParallelism()} cores, ${platform()} ${release()}; ${versions.filter(Boolean).join(", ")}`;
  return { cores, coreCount: availableParallelism(), wrk, goPeers, description, missing };
}

/** Those that we may run on. */
function ownCores(): number[] {
  if (platform() !== "linux") return [];
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

async function buildGoPeers(scratch: string, say: (sentence: string) => void): Promise<string | undefined> {
  const go = lookUp("go");
  if (!go) {
    say("`go` is not on PATH: the peers in Go are left out.");
    return undefined;
  }
  const program = join(scratch, "go-peers");
  const build = Bun.spawn([go, "build", "-mod=readonly", "-buildvcs=false", "-o", program, "."], {
    cwd: join(import.meta.dirname, "go"),
    stdio: ["ignore", "ignore", "inherit"],
  });
  if ((await build.exited) === 0) return program;
  say("`go build` failed: the peers in Go are left out.");
  return undefined;
}

/** Of what the program says; some say it on the wrong stream, or with a wrong exit code. */
async function firstLine(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
  const said = (await new Response(child.stdout).text()) || (await new Response(child.stderr).text());
  return said.split("\n")[0]?.trim() ?? "";
}
