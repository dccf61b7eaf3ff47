import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { REST, start } from "../edge/service.ts";
import { connectionsToEach, halfSent, linesOf, pids } from "./parts.ts";

/** Several processes on one port: they share the work, and none is missed when it is gone. */

const projectDir = join(import.meta.dirname, "../..");
const TWO = { MINT_WORKERS: "2" };

describe("one worker", () => {
  test("is this process: nothing in its log is about workers, and nobody else gets the port", async () => {
    await using service = await start();
    expect(await (await service.ask()).json()).toMatchObject({ user: "alice" });
    expect(service.said()).not.toContain("worker");
    const second = () =>
      Bun.serve({ hostname: "127.0.0.1", port: service.port, reusePort: true, fetch: () => new Response() });
    expect(second).toThrow("in use");
  });
});

describe("several workers", () => {
  test("give credentials on one port, and each line of the audit says which", async () => {
    await using service = await start({ MINT_WORKERS: "3" });
    expect([...pids(service).keys()].sort()).toEqual([1, 2, 3]);
    expect(new Set(pids(service).values()).size).toBe(3);
    const all = await connectionsToEach(service, 3);
    for (const [index, [one]] of all.entries()) expect(await one?.ask()).toBe(index + 1);
  });

  test("are there as well when the service is one file, as in its image", async () => {
    const out = mkdtempSync(join(tmpdir(), "bundle-"));
    const entry = ["src/server.ts", "src/cli.ts"];
    const build = Bun.spawnSync([process.execPath, "build", ...entry, "--target=bun", `--outdir=${out}`], {
      cwd: projectDir,
    });
    expect(build.exitCode).toBe(0);
    try {
      await using service = await start(TWO, relative(projectDir, join(out, "server.js")));
      await connectionsToEach(service, 2);
      service.kill("SIGTERM");
      expect(await service.ended).toBe(0);
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});

describe("a worker that is killed", () => {
  test("is replaced, and connections to the others never notice", async () => {
    await using service = await start(TWO);
    const [mine, others] = (await connectionsToEach(service, 2)).flat();
    const killed = pids(service).get(1) as number;
    process.kill(killed, "SIGKILL");
    await mine?.closed;
    while (pids(service).get(1) === killed) expect(await others?.ask()).toBe(2);

    expect(linesOf(service)).toContainEqual(
      expect.objectContaining({ level: "error", worker: 1, how: "signal SIGKILL" }),
    );
    await connectionsToEach(service, 2);
    service.kill("SIGTERM");
    expect(await service.ended).toBe(0);
  });

  test("while the service stops is not", async () => {
    await using service = await start(TWO);
    const { halves, idle } = await halfSent(service);
    service.kill("SIGTERM");
    for (const one of idle) await one?.closed;
    process.kill(pids(service).get(1) as number, "SIGKILL");
    halves[1]?.write(REST);
    expect(await service.ended).toBe(0);
    expect(linesOf(service).filter(({ msg }) => msg === "a worker listens")).toHaveLength(2);
  });
});

test("a worker that hangs is ended and replaced", async () => {
  await using service = await start(TWO);
  const hangs = pids(service).get(1) as number;
  process.kill(hangs, "SIGSTOP");
  while (pids(service).get(1) === hangs) await Bun.sleep(100);
  expect(service.said()).toContain("a worker hangs, and is ended");
  await connectionsToEach(service, 2);
});
