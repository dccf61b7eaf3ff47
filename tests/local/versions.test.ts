import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "dotenv";

const projectDir = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(projectDir, file), "utf8");
const env = parse(read(".env"));
/** The version in an image's tag, which a digest may follow. */
const version = (tag = "") => tag.split("@")[0]?.replace("-alpine", "");

test("nats-server has the same version with Docker and without", () => {
  expect(read("tools/go.mod")).toContain(`github.com/nats-io/nats-server/v2 v${version(env.NATS_VER)} `);
});

test("Bun has the same version with Docker and without", () => {
  expect(JSON.parse(read("package.json")).devDependencies.bun).toBe(version(env.BUN_VER));
});
