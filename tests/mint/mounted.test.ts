import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, makeEnvironment, runService, within } from "./parts.ts";

/** The mint mounted in Express, Fastify and others, on Node and on Bun, also behind middleware that reads bodies. */

const projectDir = join(import.meta.dirname, "../..");
let environment: Environment;
let dir: string;

beforeAll(async () => {
  environment = await makeEnvironment();
  dir = mkdtempSync(join(tmpdir(), "mounted-"));
  symlinkSync(join(projectDir, "node_modules"), join(dir, "node_modules"));
  const { success, logs } = await Bun.build({
    entrypoints: [join(import.meta.dirname, "mounted.ts")],
    target: "node",
    packages: "external",
    outdir: dir,
    naming: "mounted.mjs",
  });
  if (!success) throw new Error(logs.join("\n"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await environment?.[Symbol.asyncDispose]();
});

const COMPLETE = {
  "a credential": "200 bob",
  "an empty object": "200 alice",
  "in chunks": "200 bob",
  "a wrong type": "415 unsupported_media_type",
  compressed: "415 unsupported_media_type",
  "too large": "413 body_too_large",
  "without a login": "401 unauthorized",
  "a GET": "405 method_not_allowed",
  health: 200,
  "a bad host": 400,
};

/** A body parser has decompressed the body. */
const PARSED = { ...COMPLETE, compressed: "200 alice" };
/** The body is gone; what the head shows is still refused as usual. */
const USED = {
  ...COMPLETE,
  "a credential": "500 body_used",
  "an empty object": "500 body_used",
  "in chunks": "500 body_used",
  "without a login": "500 body_used",
};

const EXPECTED = {
  express: COMPLETE,
  "express.json": PARSED,
  "express.json and urlencoded": PARSED,
  "express.text": PARSED,
  "express.raw": PARSED,
  "express without a body": { ...USED, compressed: "500 body_used", "too large": "500 body_used" },
  fastify: COMPLETE,
  "hono on node-server": COMPLETE,
  "hono with json": COMPLETE,
  "hono with raw": USED,
  "node-server in express.json": { ...USED, "in chunks": "400 invalid_json" },
};

describe.each([
  ["Node", ["node"]],
  ["Bun", [process.execPath, "--no-env-file"]],
])("on %s", (_, command) => {
  test("every way to mount it responds as the mint itself, or says what to do", async () => {
    await using program = runService(
      [...command, join(dir, "mounted.mjs"), environment.recipe.env.KEYS_DIR ?? ""],
      {
        PATH: process.env.PATH ?? "",
      },
    );
    await within(program.ended, "the program to end");
    const result = JSON.parse(program.output().trim().split("\n").at(-1) ?? "");
    expect(result).toEqual(EXPECTED);
  });
});
