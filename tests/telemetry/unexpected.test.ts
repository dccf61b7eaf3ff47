import { expect, test } from "bun:test";
import { join } from "node:path";
import { must } from "../recipe/recipe.ts";

const program = join(import.meta.dirname, "failing-app.ts");

/** Runs the program with this as the token, and returns all that it said. */
async function run(token: string): Promise<string> {
  const env = { PATH: process.env.PATH ?? "", TOKEN: token };
  const child = Bun.spawn([process.execPath, "--no-env-file", program], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return must({ code: await child.exited, said: said.join("") });
}

test.each([
  "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
  "an opaque token that looks like nothing at all",
])("an authenticator that fails with the token in its message lets nobody read it (%s)", async (token) => {
  const said = await run(token);
  expect(said).not.toContain(token);
  expect(said).not.toContain(token.slice(-10));
  // Both ways tell what it was and where.
  expect(said.match(/failing-app\.ts/g)?.length).toBeGreaterThanOrEqual(2);
  expect(said).toContain("unexpected error: TypeError\n    at ");
  expect(said).toContain('"error":{"name":"TypeError","at":[');
  expect(said.match(/^500 .*"code":"internal_error"/gm)).toHaveLength(2);
});
