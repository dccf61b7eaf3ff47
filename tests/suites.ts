import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";

/** The test files, grouped into suites that run in parallel: each file of tests/ is one, and those of src/ and demo/ are one. */

export interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  /** Whether it starts a browser. */
  readonly hasBrowser: boolean;
}

/** The suites that take longest, longest first: they start first, so that none of them runs alone at the end. */
const LONG = [
  "tests/recipe/kill.test.ts",
  "tests/browser/stream.test.ts",
  "tests/recipe/server-side.test.ts",
  "tests/recipe/init.test.ts",
  "tests/recipe/less-trusted.test.ts",
  "tests/browser/shapes.test.ts",
  "tests/recipe/streams.test.ts",
  "tests/recipe/consumers.test.ts",
  "tests/local/start.test.ts",
  "tests/browser/demo.test.ts",
  "tests/edge/withheld-bodies.test.ts",
  "tests/edge/abuse.test.ts",
  "tests/browser/cluster.test.ts",
  "src",
  "tests/browser/clock.test.ts",
  "tests/browser/mint.test.ts",
  "tests/mint/package.test.ts",
  "tests/openapi/schemathesis.test.ts",
];

/**
 * @param paths files and folders; if empty, all but tests/compose
 * @returns the suites, those that take longest first
 */
export function findSuites(projectDir: string, paths: readonly string[]): Suite[] {
  const wanted = paths.map((path) => normalize(path).replace(/\/$/, ""));
  const files = [...new Bun.Glob("{src,demo,tests}/**/*.test.ts").scanSync(projectDir)]
    .filter((file) =>
      wanted.length > 0
        ? wanted.some((path) => file === path || file.startsWith(`${path}/`))
        : !file.startsWith("tests/compose/"),
    )
    .sort();
  const unit = files.filter((file) => !file.startsWith("tests/"));
  const others = files.filter((file) => file.startsWith("tests/"));
  return [
    ...(unit.length > 0 ? [{ name: "src", files: unit }] : []),
    ...others.map((file) => ({ name: file, files: [file] })),
  ]
    .map((suite) => ({
      ...suite,
      hasBrowser: suite.files.some((file) => startsBrowser(join(projectDir, file))),
    }))
    .sort((one, other) => rank(one) - rank(other));
}

const rank = ({ name }: Suite) => (LONG.includes(name) ? LONG.indexOf(name) : LONG.length);

const startsBrowser = (file: string) =>
  /from "\S*\/(chromium|devtools|environment)\.ts"/.test(readFileSync(file, "utf8"));
