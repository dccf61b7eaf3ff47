import { expect, test } from "bun:test";
import { join } from "node:path";
import { expectSuccess } from "../recipe/recipe.ts";

const program = join(import.meta.dirname, "failing-app.ts");

/** Runs the program with this token, and returns its output. */
async function run(token: string): Promise<string> {
  const env = { PATH: process.env.PATH ?? "", TOKEN: token };
  const child = Bun.spawn([process.execPath, "--no-env-file", program], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return expectSuccess({ code: await child.exited, output: output.join("") });
}

test.each([
  "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
  "an opaque token that looks like nothing at all",
])("an authenticator that fails with the token in its message does not reveal it (%s)", async (token) => {
  const output = await run(token);
  expect(output).not.toContain(token);
  expect(output).not.toContain(token.slice(-10));
  // Both outputs have the class of the error and its stack.
  expect(output.match(/failing-app\.ts/g)?.length).toBeGreaterThanOrEqual(2);
  expect(output).toContain("unexpected error: TypeError\n    at ");
  expect(output).toContain('"error":{"name":"TypeError","at":[');
  expect(output.match(/^500 .*"code":"internal_error"/gm)).toHaveLength(2);
});
