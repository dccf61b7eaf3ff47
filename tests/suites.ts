import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";

/** The test files, as the suites that run side by side: each file of tests/ is one, and all of src/ together. */

export interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  /** Whether it starts a browser. */
  readonly hasBrowser: boolean;
}

/** About how many seconds the long ones take. What takes longest starts first; a wrong number only costs time. */
const SECONDS: Record<string, number> = {};

/**
 * @param paths files and folders; without any, all but those of the compose file
 * @returns the suites, those that take longest first
 */
export function findSuites(projectDir: string, paths: readonly string[]): Suite[] {
  const wanted = paths.map((path) => normalize(path).replace(/\/$/, ""));
  const files = [...new Bun.Glob("{src,tests}/**/*.test.ts").scanSync(projectDir)]
    .filter((file) =>
      wanted.length > 0
        ? wanted.some((path) => file === path || file.startsWith(`${path}/`))
        : !file.startsWith("tests/compose/"),
    )
    .sort();
  const inSource = files.filter((file) => file.startsWith("src/"));
  const others = files.filter((file) => !file.startsWith("src/"));
  return [
    ...(inSource.length > 0 ? [{ name: "src", files: inSource }] : []),
    ...others.map((file) => ({ name: file, files: [file] })),
  ]
    .map((suite) => ({
      ...suite,
      hasBrowser: suite.files.some((file) => startsBrowser(join(projectDir, file))),
    }))
    .sort((one, other) => seconds(other) - seconds(one));
}

const seconds = ({ name }: Suite) => SECONDS[name] ?? 0;

const startsBrowser = (file: string) =>
  /from "\S*\/(chromium|devtools|stage)\.ts"/.test(readFileSync(file, "utf8"));
