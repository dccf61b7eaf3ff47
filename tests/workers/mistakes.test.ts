import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "../edge/service.ts";
import { runService } from "../mint/parts.ts";
import { freePorts } from "../ports.ts";
import { connectionsToEach, pids } from "./parts.ts";

/** An error at the start is reported once, whatever the number of workers; and errors after the start. */

const server = join(import.meta.dirname, "../../src/service/main.ts");
const dir = mkdtempSync(join(tmpdir(), "mistakes-"));
afterAll(() => rmSync(dir, { recursive: true }));
const API_KEYS = join(dir, "api-keys.json");
const SETTINGS = { MINT_AUTH: "dev,api-key", MINT_API_KEYS_FILE: API_KEYS, MINT_WORKERS: "2" };

/** The output of a service that does not start with these settings, and its exit code. */
async function refused(settings: Record<string, string>) {
  await using service = runService([process.execPath, "--no-env-file", server], {
    PATH: process.env.PATH ?? "",
    MINT_AUTH: "dev",
    MINT_KEYS_DIR: dir,
    ...settings,
  });
  const code = await service.ended;
  // Without the lines of the log.
  const output = service.output().replace(/^\{.*\n/gm, "");
  return { code, output };
}

describe("at the start", () => {
  test("a wrong setting", async () => {
    const wrong = { MINT_WORKERS: "2", MINT_RATE_LIMIT: "much" };
    const { code, output } = await refused(wrong);
    expect(code).toBe(1);
    expect(output.trim().split("\n")).toEqual([
      expect.stringMatching(/^MINT_RATE_LIMIT: got "much", wanted /),
    ]);
  });

  test("a file that can't be read", async () => {
    const [port] = await freePorts(1);
    const settings = { MINT_AUTH: "oidc", MINT_POLICY_FILE: join(dir, "none.json"), MINT_PORT: String(port) };
    const one = await refused(settings);
    const several = await refused({ ...settings, MINT_WORKERS: "4" });
    expect(one.output).toContain("none.json");
    expect(several).toEqual(one);
    expect(one.code).toBe(1);
  });

  test("a port in use, with one worker and with several", async () => {
    for (const MINT_WORKERS of ["1", "2"]) {
      await using first = await start({ MINT_WORKERS });
      for (const MINT_WORKERS of ["1", "2"]) {
        expect(await refused({ MINT_PORT: String(first.port), MINT_WORKERS })).toEqual({
          code: 1,
          output: `port ${first.port} on 127.0.0.1 is in use; MINT_PORT chooses another\n`,
        });
      }
      expect((await first.requestCreds()).status).toBe(200);
    }
  });
});

describe("a worker that can't be started again", () => {
  test("is restarted until it becomes ready, while another worker serves", async () => {
    rmSync(API_KEYS, { force: true });
    await using service = await start(SETTINGS);
    const [, others] = await connectionsToEach(service, 2);
    const killed = pids(service).get(1) as number;
    writeFileSync(API_KEYS, "broken");
    process.kill(killed, "SIGKILL");
    const failed = () => service.output().match(/"how":"exit code 1"/g)?.length ?? 0;
    while (failed() < 6) {
      // Before the idle timeout closes the connection.
      expect(await others?.[0]?.requestCreds()).toBe(2);
      await Bun.sleep(1000);
    }
    rmSync(API_KEYS);
    while (pids(service).get(1) === killed) await Bun.sleep(20);
    await connectionsToEach(service, 2);
  });

  test("ends the service when no other worker serves", async () => {
    rmSync(API_KEYS, { force: true });
    await using service = await start(SETTINGS);
    writeFileSync(API_KEYS, "broken");
    for (const pid of pids(service).values()) process.kill(pid, "SIGKILL");
    expect(await service.ended).toBe(1);
    expect(service.output()).toContain("end again and again before they are ready: the mint gives up");
  });
});
