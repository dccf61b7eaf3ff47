import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * `TESTS_DIR` is a directory for what test files share. tests/run.ts gives one to all its processes; a `bun test` that is
 * run by hand makes its own.
 */
if (!process.env.TESTS_DIR) {
  const dir = mkdtempSync(join(tmpdir(), "tests-"));
  process.env.TESTS_DIR = dir;
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
}
