import { expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, isIP } from "node:net";
import { join } from "node:path";
import { readLocalConfig } from "../../src/config/local.ts";
import { hasIPv6 } from "../ports.ts";
import { makeRecipe } from "../recipe/recipe.ts";

/** `localhost` may resolve to an address that the recipe does not listen on, where another user's program may listen. */

const { projectDir } = readLocalConfig();

test("every URL that the recipe calls or returns names an address", async () => {
  await using recipe = await makeRecipe();
  const own = Object.entries(recipe.env).filter(([name]) => /^(NATS|MINT)_(?!.*ORIGINS)/.test(name));
  expect(own.filter(([, value]) => value.includes("localhost"))).toEqual([]);
  const urls = own.filter(([, value]) => /^\w+:\/\//.test(value));
  expect(urls.map(([name]) => name)).toEqual(expect.arrayContaining(["NATS_URL", "NATS_WS_URL"]));
  for (const [name, value] of urls) expect([name, isIP(new URL(value).hostname)]).toEqual([name, 4]);
  expect(readFileSync(join(projectDir, "docker-compose.yaml"), "utf8")).not.toContain("localhost");
});

test.skipIf(!hasIPv6)("a program that listens on the recipe's ports on ::1 gets no connection", async () => {
  await using recipe = await makeRecipe();
  let connections = 0;
  const listeners = Object.values(recipe.ports).map((port) =>
    createServer(() => connections++).listen(port, "::1"),
  );
  await Promise.all(listeners.map((listener) => once(listener, "listening")));
  await recipe.up();
  await using mint = Bun.spawn([process.execPath, "--no-env-file", join(projectDir, "src/service/main.ts")], {
    env: { ...recipe.env, MINT_HOST: "127.0.0.2" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await mint.stdout.getReader().read();
  mint.kill();
  for (const listener of listeners) listener.close();
  expect(connections).toBe(0);
});
