import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FILES, REFUSED } from "../../src/config/env-file.fixture.ts";

/** What `npm start` reads from `.env`, as Docker Compose reads it. */

function readWithCompose(text: string) {
  const dir = mkdtempSync(join(tmpdir(), "env-file-"));
  try {
    writeFileSync(join(dir, ".env"), text);
    writeFileSync(join(dir, "compose.yaml"), "services: { a: { image: x, env_file: .env } }");
    const { exitCode, stdout } = Bun.spawnSync(["docker", "compose", "config", "--format", "json"], {
      cwd: dir,
      env: { ...process.env, PLACE: "/home/me", COMPOSE_DISABLE_ENV_FILE: "1" },
      stderr: "ignore",
    });
    if (exitCode !== 0) return undefined;
    const { environment = {} } = JSON.parse(String(stdout)).services.a as {
      environment?: Record<string, string>;
    };
    // Compose doubles each $, so that its output can be a compose file again.
    return Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, value.replaceAll("$$", "$")]),
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test.each(FILES)("Compose reads %j so", (text, variables) => {
  expect(readWithCompose(text)).toEqual(variables);
});

test.each(REFUSED)("Compose refuses %j", (text) => {
  expect(readWithCompose(text)).toBeUndefined();
});
