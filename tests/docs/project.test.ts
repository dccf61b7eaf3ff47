import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { anchors, links } from "./markdown.ts";

/** The documents about the project itself, whose links lead to the guides, and a clone of the repository. */

const projectDir = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");

test.each([
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "packages/browser/README.md",
  "packages/server/README.md",
])("every link in %s within the repository has a target", (path) => {
  const inside = links(read(path)).filter((link) => !link.startsWith("https://"));
  expect(inside.length).toBeGreaterThan(0);
  for (const link of inside) {
    const [target = "", anchor] = link.split("#");
    const file = target ? join(dirname(path), target) : path;
    expect([link, existsSync(join(projectDir, file))]).toEqual([link, true]);
    if (anchor) expect([link, anchors(read(file))]).toEqual([link, expect.arrayContaining([anchor])]);
  }
});

test("CHANGELOG.md has a section for the version of package.json", () => {
  const { version } = JSON.parse(read("package.json"));
  expect(read("CHANGELOG.md")).toMatch(
    new RegExp(`^## \\[${version}\\] - (unreleased|\\d{4}-\\d\\d-\\d\\d)$`, "m"),
  );
});

const isClone = existsSync(join(projectDir, ".git")) && Bun.which("git");

test.skipIf(!isClone)("a clone by Git for Windows has LF in all files that containers mount", () => {
  const dir = mkdtempSync(join(tmpdir(), "clone-"));
  try {
    const git = ["git", "clone", "--quiet", "--config", "core.autocrlf=true", projectDir, dir];
    const { exitCode, stderr } = Bun.spawnSync(git);
    if (exitCode !== 0) throw new Error(`git clone ended with ${exitCode}: ${stderr}`);
    const mounted = readdirSync(join(dir, "fs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name));
    expect(mounted.length).toBeGreaterThan(20);
    expect(mounted.filter((file) => readFileSync(file).includes("\r"))).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
