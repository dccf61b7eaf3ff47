import { expect, test } from "bun:test";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** What the example client says when the mint refuses it. */

const projectDir = join(import.meta.dirname, "../..");

test.each([
  [401, "unauthorized", "the request has no proof of identity", "it needs MINT_AUTH=dev"],
  [401, "unauthorized", "the token's signature is not valid", "it needs MINT_AUTH=dev"],
  [403, "role_not_allowed", "the role does not exist or is not allowed here", undefined],
  [503, "keys_unavailable", "no signing keys have been exported yet", undefined],
])("%i %s: %s", async (status, code, detail, hint) => {
  await using mint = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ code, detail }, { status }),
  });
  const client = Bun.spawn(
    [process.execPath, "--no-env-file", join(projectDir, "src/client.ts"), "--user", "alice"],
    {
      env: { PATH: process.env.PATH ?? "", MINT_URL: mint.url.origin },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const output = await text(client.stderr);
  expect(await client.exited).toBe(1);
  expect(output).toContain(`client: the mint responded ${status} ${code}: ${detail}`);
  if (hint) expect(output).toContain(hint);
  else expect(output).not.toContain("MINT_AUTH");
});
