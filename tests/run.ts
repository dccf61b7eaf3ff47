import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, constants, tmpdir } from "node:os";
import { join } from "node:path";
import { type FinishedJob, type Job, killJobs, runJobs } from "./jobs.ts";
import { findSuites } from "./suites.ts";

/**
 * `npm test`: types, lint, shell scripts and all tests but those of the compose file, which need a Docker engine:
 * `npm run test:compose`. Suites run in parallel, each in its own process; `TEST_WORKERS` limits their number. The last
 * line has the totals.
 */

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const projectDir = join(import.meta.dirname, "..");
/** The TypeScript projects: server code has no DOM types, page code has no Bun types. */
const TYPE_PROJECTS = [".", "src/browser", "demo", "tests/browser/page", "tests"];
/** More than processors, since suites wait for events most of the time. */
const WORKERS = Number(process.env.TEST_WORKERS) || 2 * availableParallelism();
/** Suites with a browser at the same time: each needs half a gigabyte. */
const BROWSERS = 2;

const isCompose = process.argv[2] === "compose";
const isCI = Boolean(process.env.CI);
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const dir = mkdtempSync(join(tmpdir(), "tests-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    killJobs();
    process.exit(128 + constants.signals[signal]);
  });
}

const checks = isCompose ? [] : findChecks();
const suites = findSuites(projectDir, isCompose ? ["tests/compose"] : process.argv.slice(2));
if (suites.length === 0) {
  console.error(`no test file in ${process.argv.slice(2).join(", ")}; give files or folders of tests`);
  process.exit(1);
}
const env = await makeEnvironment();
const failed: string[] = [];
await runJobs([...checks, ...suites.map(suiteJob)], {
  workers: WORKERS,
  large: BROWSERS,
  cwd: projectDir,
  dir,
  onEnd: report,
});
if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
console.log(counts(total));
process.exit(total.failed > 0 ? 1 : 0);

function findChecks(): Job[] {
  const jobs: Job[] = [
    ...TYPE_PROJECTS.map((project) => ({
      name: `types of ${project}`,
      command: ["node_modules/.bin/tsc", "-p", project],
    })),
    { name: "format and lint", command: ["node_modules/.bin/biome", "check", "--error-on-warnings", "."] },
  ];
  // ShellCheck checks each program together with the files that it sources, which share variables.
  const files = [...new Bun.Glob("{fs,src,tools}/**/*.sh").scanSync(projectDir), ".ci/run"];
  const programs = files.filter((file) => readFileSync(join(projectDir, file), "utf8").startsWith("#!"));
  if (Bun.which("shellcheck")) {
    jobs.push({ name: "shell", command: ["shellcheck", "--check-sourced", ...programs.sort()] });
  } else if (isCI) {
    console.error("shell: ShellCheck is not on PATH, and CI requires it");
    total.failed++;
  } else {
    console.log("shell: SKIPPED, ShellCheck is not on PATH");
    total.skipped++;
  }
  jobs.push({ name: "workflows", command: ["sh", "tools/actionlint.sh"] });
  return jobs;
}

/** The variables of the suites. Shared and temporary files are in one directory. */
async function makeEnvironment(): Promise<Record<string, string>> {
  const shared = join(dir, "shared");
  const temporary = join(dir, "tmp");
  mkdirSync(shared);
  mkdirSync(temporary);
  const environment = { TESTS_DIR: shared, TMPDIR: temporary };
  if (!suites.some(({ hasBrowser }) => hasBrowser)) return environment;
  // The first call unpacks the browser, which only one process may do.
  const { executablePath } = await import("./browser/chromium.ts");
  return { ...environment, CHROMIUM: await executablePath() };
}

function suiteJob({ name, files, hasBrowser }: (typeof suites)[number]): Job {
  const options = [
    "--timeout=300000",
    "--reporter=junit",
    `--reporter-outfile=${reportOf(name)}`,
    // The log in CI is read only for failures.
    ...(isCI ? ["--only-failures"] : []),
  ];
  return {
    name,
    command: [process.execPath, "--no-env-file", "test", ...options, ...files.map((file) => `./${file}`)],
    env,
    isLarge: hasBrowser,
  };
}

function report({ job, exitCode, output, seconds }: FinishedJob): void {
  const isCheck = checks.includes(job);
  const tally = isCheck ? { passed: 0, failed: 0, skipped: 0 } : readReport(reportOf(job.name));
  const hasReport = tally.passed + tally.failed + tally.skipped > 0;
  if (isCheck && exitCode === 0) tally.passed = 1;
  // A suite without a report has crashed, or has exited before its tests ended.
  else if (exitCode !== 0 || !hasReport) tally.failed = Math.max(tally.failed, 1);
  for (const key of ["passed", "failed", "skipped"] as const) total[key] += tally[key];
  if (tally.failed > 0) failed.push(job.name);
  if (tally.failed > 0 || !isCI) process.stdout.write(output);
  console.log(`== ${job.name}: ${counts(tally)} in ${seconds.toFixed(1)} s`);
}

function reportOf(suite: string): string {
  return join(dir, `${suite.replaceAll("/", "-")}.xml`);
}

/** The counts in the JUnit report, which bun test writes at the end. */
function readReport(file: string): Tally {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // There is no report.
  }
  const summary = /<testsuites\b[^>]*>/.exec(text)?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(summary)?.[1] ?? 0);
  const [failed, skipped] = [count("failures"), count("skipped")];
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

function counts({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
