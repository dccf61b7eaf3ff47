import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMint, parseSubjectToken, readKeys } from "../../src/index.ts";
import { type Environment, makeEnvironment, within } from "../mint/parts.ts";
import { blocks, section } from "./markdown.ts";

/** The code in docs/library.md that mounts the mint in other frameworks. */

const projectDir = join(import.meta.dirname, "../..");
const heading = "### Express, Fastify and Node's HTTP server";
const code = blocks(section(readFileSync(join(projectDir, "docs/library.md"), "utf8"), heading));

let environment: Environment;
let dir: string;
beforeAll(async () => {
  environment = await makeEnvironment();
  dir = mkdtempSync(join(tmpdir(), "library-"));
  symlinkSync(join(projectDir, "node_modules"), join(dir, "node_modules"));
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await environment?.[Symbol.asyncDispose]();
});

test.each(["express", "Fastify"])("the code for %s issues a credential", async (framework) => {
  const { text = "" } = code.find((block) => block.text.includes(`import ${framework} from`)) ?? {};
  const { mint: keys } = await readKeys(environment.recipe.env.KEYS_DIR ?? "");
  Object.assign(globalThis, {
    options: {
      mint: createMint(keys),
      authenticate: () => ({ issuer: "guide", subject: "alice", claims: {} }),
      grant: () => ({ role: "browser", user: parseSubjectToken("alice") }),
      servers: { websocket: ["ws://localhost:9222"], tcp: [] },
    },
  });
  const file = join(dir, `${framework}.ts`);
  const source = text.replaceAll('"nats-mint"', JSON.stringify(join(projectDir, "src/index.ts")));
  writeFileSync(file, `const { options } = globalThis as never;\n${source}\nexport { app };\n`);
  const { app } = (await import(file)) as {
    app: RequestListener & { ready?(): Promise<unknown>; server: Server };
  };
  await app.ready?.();
  const server = app.server ?? createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const response = await within(
    fetch(`http://127.0.0.1:${port}/nats/creds`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    }),
    "the response",
  );
  expect([response.status, ((await response.json()) as { user: string }).user]).toEqual([200, "alice"]);
  server.close();
  server.closeAllConnections();
});
