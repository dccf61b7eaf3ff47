import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * `npm test`: types, lint, shell and all tests but those of the compose file, which want a Docker engine:
 * `npm run test:compose`. Ends with one line that counts.
 */

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const projectDir = join(import.meta.dirname, "..");
/** The projects of TypeScript: what runs on a server has no DOM, what runs in a page has nothing of Bun. */
const TYPE_SIDES = [".", "src/browser", "demo", "tests/browser/page", "tests"];
const compose = process.argv[2] === "compose";
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };

if (compose) {
  runTests(["./tests/compose"]);
} else {
  for (const side of TYPE_SIDES) check(`types: ${side}`, ["node_modules/.bin/tsc", "-p", side]);
  check("format and lint", ["node_modules/.bin/biome", "check", "--error-on-warnings", "."]);
  checkShell();
  check("workflows", ["sh", "tools/actionlint.sh"]);
  runTests(process.argv.length > 2 ? process.argv.slice(2) : ["./src", "./demo", ...testFolders()]);
}

const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`);
process.exit(tally.failed > 0 ? 1 : 0);

/** Those that `npm test` runs. */
function testFolders(): string[] {
  const folders = readdirSync(join(projectDir, "tests"), { withFileTypes: true });
  return folders
    .filter((entry) => entry.isDirectory() && entry.name !== "compose")
    .map(({ name }) => `./tests/${name}`)
    .sort();
}

function check(what: string, command: string[]): void {
  console.log(`\n== ${what}`);
  const { exitCode } = Bun.spawnSync(command, { cwd: projectDir, stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode === 0) tally.passed++;
  else tally.failed++;
}

/** ShellCheck reads each program with the files that it sources, since variables of one are used in others. */
function checkShell(): void {
  const files = [...new Bun.Glob("{fs,src,tools}/**/*.sh").scanSync(projectDir), ".ci/run"];
  const programs = files.filter((file) => readFileSync(join(projectDir, file), "utf8").startsWith("#!"));
  if (Bun.which("shellcheck")) {
    check("shell", ["shellcheck", "--check-sourced", ...programs.sort()]);
  } else if (process.env.CI) {
    console.error("\n== shell: ShellCheck is not on PATH, and CI does not go without it");
    tally.failed++;
  } else {
    console.log("\n== shell: SKIPPED, ShellCheck is not on PATH");
    tally.skipped++;
  }
}

/** bun test, counted from its JUnit report. */
function runTests(paths: string[]): void {
  console.log("\n== tests");
  const scratch = mkdtempSync(join(tmpdir(), "tests-"));
  const report = join(scratch, "report.xml");
  const { exitCode } = Bun.spawnSync(
    [
      process.execPath,
      "--no-env-file",
      "test",
      "--timeout",
      "120000",
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      // A log that is kept is read for what failed.
      ...(process.env.CI ? ["--only-failures"] : []),
      ...paths,
    ],
    { cwd: projectDir, stdio: ["ignore", "inherit", "inherit"] },
  );
  const summary = /<testsuites\b[^>]*>/.exec(readReport(report))?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(summary)?.[1] ?? 0);
  const failed = Math.max(count("failures"), exitCode === 0 ? 0 : 1);
  tally.failed += failed;
  tally.skipped += count("skipped");
  tally.passed += count("tests") - count("failures") - count("skipped");
  rmSync(scratch, { recursive: true });
}

function readReport(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
