import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { codeSpans, rows, section } from "./markdown.ts";

/**
 * The imports between the folders of `src`. The table in CONTRIBUTING.md says which are allowed; a folder without a row
 * of its own has the row "every other folder", so that the rule holds for a new folder from its first file.
 */

const projectDir = join(import.meta.dirname, "../..");
const OTHERS = "every other folder";

const table = new Map(
  rows(
    section(readFileSync(join(projectDir, "CONTRIBUTING.md"), "utf8"), "## Where things live"),
    "folder of `src`",
  ).map(([folder = "", allowed = ""]) => [
    codeSpans(folder)[0] ?? folder,
    codeSpans(allowed).filter((name) => name !== "src"),
  ]),
);

/** The relative paths that a source imports or re-exports, also only for types or with `import()`. */
function importsOf(source: string): string[] {
  return [...source.matchAll(/\b(?:from|import)\s*\(?\s*(["'`])(\.[^"'`]*)\1/g)].map(
    ([, , path = ""]) => path,
  );
}

/** The folder of `src` that a path is in; outside of `src`, the first part of the path. */
const folderOf = (path: string) => path.replace(/^src\//, "").split("/")[0] as string;

/** The imports that the table doesn't allow. @param path the path of the source in the project: `src/util/quote.ts` */
function forbiddenImports(path: string, source: string): string[] {
  const folder = folderOf(path);
  const allowed = [folder, ...(table.get(folder) ?? table.get(OTHERS) ?? [])];
  return importsOf(source)
    .filter((target) => !allowed.includes(folderOf(posix.join(posix.dirname(path), target))))
    .map((target) => `${path} imports ${target}`);
}

/** The sources in folders of `src`. Files directly in `src` put the parts together, and tests may import everything. */
const sources = readdirSync(join(projectDir, "src"), { recursive: true, encoding: "utf8" })
  .map((path) => posix.join("src", path.replaceAll("\\", "/")))
  .filter((path) => /^src\/.+\/.+\.[cm]?[jt]sx?$/.test(path) && !/\.(test|fixture)\.ts$/.test(path));

test("every import from another folder of src is in the table of CONTRIBUTING.md", () => {
  expect(sources.length).toBeGreaterThan(100);
  const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
  expect(sources.flatMap((path) => forbiddenImports(path, read(path)))).toEqual([]);
});

test("everything that the table names exists", () => {
  expect(table.has(OTHERS)).toBe(true);
  const names = [...table.keys(), ...[...table.values()].flat()].filter((name) => name !== OTHERS);
  const exists = (name: string) => [`src/${name}`, name].some((path) => existsSync(join(projectDir, path)));
  expect(names.filter((name) => !exists(name))).toEqual([]);
});

describe("the check finds", () => {
  test.each([
    ["src/util/a.ts", 'import { b } from "../core/b.ts";'],
    ["src/util/deep/a.ts", 'import { b } from "../../core/b.ts";'],
    ["src/core/a.ts", 'import type { b } from "../http/b.ts";'],
    ["src/core/keys/deep/a.ts", 'export * from "../../../files/b.ts";'],
    ["src/http/a.ts", 'import {\n  b,\n  type C,\n} from "../auth/b.ts";'],
    ["src/http/edge/a.ts", 'import { version } from "../../config/b.ts";'],
    ["src/browser/a.ts", 'import "../util/b.ts";'],
    ["src/cli/a.ts", 'const { b } = await import("../service/b.ts");'],
    ["src/local/a.ts", "const { b } = await import(`../service/b.ts`);"],
    ["src/new-door/a.ts", 'import { b } from "../http/b.ts";'],
    ["src/new-door/deep/a.ts", "export { b } from '../../telemetry/b.ts';"],
    ["src/http/a.ts", 'import { b } from "../index.ts";'],
    ["src/core/a.ts", 'import { b } from "../../demo/b.ts";'],
    ["src/telemetry/a.ts", 'import b from "../../package.json" with { type: "json" };'],
  ])("in %s: %s", (path, source) => {
    expect(forbiddenImports(path, source)).toHaveLength(1);
  });

  test.each([
    ["src/http/edge/a.ts", 'import { b } from "../errors.ts";'],
    ["src/http/edge/a.ts", 'import { b } from "../../core/b.ts";'],
    ["src/new-door/a.ts", 'import { b } from "../util/b.ts";'],
    ["src/local/a.ts", 'import { b } from "../../demo/build.ts";'],
    ["src/util/a.ts", 'import { z } from "zod";'],
  ])("nothing in %s: %s", (path, source) => {
    expect(forbiddenImports(path, source)).toEqual([]);
  });
});
