import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { REST, start } from "../edge/service.ts";
import { connectionsToEach, halfSent, linesOf, pids } from "./parts.ts";

/** Several processes on one port: they share the work, and one that ends is replaced. */

const projectDir = join(import.meta.dirname, "../..");
const TWO = { MINT_WORKERS: "2" };

describe("one worker", () => {
  test("is the process itself: its log has no worker numbers, and no other process can share the port", async () => {
    await using service = await start();
    expect(await (await service.requestCreds()).json()).toMatchObject({ user: "alice" });
    expect(service.output()).not.toContain("worker");
    const second = () =>
      Bun.serve({ hostname: "127.0.0.1", port: service.port, reusePort: true, fetch: () => new Response() });
    expect(second).toThrow("in use");
  });
});

describe("several workers", () => {
  test("issue credentials on one port, and each audit line has the number of the worker", async () => {
    await using service = await start({ MINT_WORKERS: "3" });
    expect([...pids(service).keys()].sort()).toEqual([1, 2, 3]);
    expect(new Set(pids(service).values()).size).toBe(3);
    const all = await connectionsToEach(service, 3);
    for (const [index, [one]] of all.entries()) expect(await one?.requestCreds()).toBe(index + 1);
  });

  test("also start when the service is one bundled file, as in its image", async () => {
    const out = mkdtempSync(join(tmpdir(), "bundle-"));
    const entry = ["src/service/main.ts", "src/cli/main.ts"];
    const build = Bun.spawnSync([process.execPath, "build", ...entry, "--target=bun", `--outdir=${out}`], {
      cwd: projectDir,
    });
    expect(build.exitCode).toBe(0);
    try {
      await using service = await start(TWO, relative(projectDir, join(out, "service/main.js")));
      await connectionsToEach(service, 2);
      service.kill("SIGTERM");
      expect(await service.ended).toBe(0);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});

describe("a worker that is killed", () => {
  test("is replaced, and connections to other workers are not affected", async () => {
    await using service = await start(TWO);
    const [mine, others] = (await connectionsToEach(service, 2)).flat();
    const killed = pids(service).get(1) as number;
    process.kill(killed, "SIGKILL");
    await mine?.closed;
    while (pids(service).get(1) === killed) expect(await others?.requestCreds()).toBe(2);

    expect(linesOf(service)).toContainEqual(
      expect.objectContaining({ level: "error", worker: 1, how: "signal SIGKILL" }),
    );
    await connectionsToEach(service, 2);
    service.kill("SIGTERM");
    expect(await service.ended).toBe(0);
  });

  test("while the service stops is not replaced", async () => {
    await using service = await start(TWO);
    const { halves, idle } = await halfSent(service);
    service.kill("SIGTERM");
    for (const one of idle) await one?.closed;
    process.kill(pids(service).get(1) as number, "SIGKILL");
    halves[1]?.write(REST);
    expect(await service.ended).toBe(0);
    expect(linesOf(service).filter(({ msg }) => msg === "worker ready")).toHaveLength(2);
  });
});

test("a worker that hangs is killed and replaced", async () => {
  await using service = await start(TWO);
  const hangs = pids(service).get(1) as number;
  process.kill(hangs, "SIGSTOP");
  while (pids(service).get(1) === hangs) await Bun.sleep(100);
  expect(service.output()).toContain("worker does not respond and is killed");
  await connectionsToEach(service, 2);
});
