import { afterAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * `TESTS_DIR` is a directory for files that test files share. tests/run.ts sets it for all its processes; a `bun test`
 * that is run by hand creates its own.
 */
if (!process.env.TESTS_DIR) {
  const dir = mkdtempSync(join(tmpdir(), "tests-"));
  process.env.TESTS_DIR = dir;
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
}
