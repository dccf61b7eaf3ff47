import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Environment, makeEnvironment, runService, within } from "../mint/parts.ts";
import { CLIENTS } from "./clients.ts";

/** The module in programs of other runtimes than Bun, which the other tests use. Each ends by itself. */

let environment: Environment;
let mint: ReturnType<typeof Bun.serve>;
let dir: string;
beforeAll(async () => {
  environment = await makeEnvironment();
  mint = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: environment.app.fetch });
  dir = mkdtempSync(join(tmpdir(), "program-"));
  const entrypoints = [join(import.meta.dirname, "program.ts")];
  const { success, logs } = await Bun.build({
    entrypoints,
    target: "node",
    outdir: dir,
    naming: "program.mjs",
  });
  if (!success) throw new Error(logs.join("\n"));
});
afterAll(async () => {
  await mint?.stop(true);
  rmSync(dir, { recursive: true, force: true });
  await environment?.[Symbol.asyncDispose]();
});

const RUNTIMES: [name: string, command: string[], schemes: string[]][] = [
  // Node 20 has no WebSocket.
  ["node", ["node"], ["nats:"]],
  ["deno", ["deno", "run", "--allow-all", "--quiet"], ["nats:", "ws:"]],
];

for (const [name, command, schemes] of RUNTIMES) {
  for (const scheme of schemes) {
    test.skipIf(!Bun.which(name))(`${name} over ${scheme}`, async () => {
      const url = `http://127.0.0.1:${mint.port}/creds`;
      await using program = runService([...command, join(dir, "program.mjs"), url, scheme], {
        PATH: process.env.PATH ?? "",
        HOME: dir,
      });
      expect([await within(program.ended, "the program to end"), program.output()]).toEqual([
        0,
        `${JSON.stringify(Object.fromEntries(CLIENTS.map((client) => [client, ["before", "after"]])))}\n`,
      ]);
    });
  }
}
