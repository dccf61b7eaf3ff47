import { describe, expect, test } from "bun:test";
import { GOOD, REST, start } from "../edge/service.ts";
import { askRepeatedly, connectionsToEach, halfSent, linesOf, pids } from "./parts.ts";

/** Several workers stop together, with their requests finished, in whatever way their supervisor ends. */

const TWO = { MINT_WORKERS: "2" };
describe("on the first signal", () => {
  test.each([
    ["SIGTERM", "the supervisor alone, as docker stop does"],
    ["SIGINT", "all of them, as a terminal does"],
  ] as const)("%s to %s: each worker finishes its requests, and the service exits with 0", async (signal) => {
    await using service = await start(TWO);
    const { halves, idle } = await halfSent(service);
    service.kill(signal);
    if (signal === "SIGINT") for (const pid of pids(service).values()) process.kill(pid, signal);
    for (const one of idle) await one?.closed;
    for (const half of halves) half?.write(REST);
    for (const half of halves) {
      const responses = (await half?.closed) ?? "";
      expect(responses.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
      expect(responses).toMatch(/^connection: close\r$/im);
    }
    expect(await service.ended).toBe(0);
  });

  test("under load: every granted credential has reached its client", async () => {
    await using service = await start(TWO);
    const clients = Array.from({ length: 16 }, () => askRepeatedly(service.port));
    const granted = () => linesOf(service).filter(({ audit }) => audit === "granted");
    while (granted().length < 300) await Bun.sleep(10);
    service.kill("SIGTERM");
    const received = (await Promise.all(clients)).flat();
    expect(await service.ended).toBe(0);
    const ids = granted().map(({ request_id }) => request_id as string);
    expect(new Set(granted().map(({ worker }) => worker)).size).toBe(2);
    expect(received.sort()).toEqual(ids.sort());
  });
});

test("the second signal ends all of them at once", async () => {
  await using service = await start(TWO);
  const { halves, idle } = await halfSent(service);
  service.kill("SIGTERM");
  for (const one of idle) await one?.closed;
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  for (const half of halves) expect((await half?.closed)?.match(/HTTP\/1\.1 200/g)).toHaveLength(1);
});

test("when the supervisor is killed, the workers finish their requests and stop", async () => {
  await using service = await start(TWO);
  const { halves, idle } = await halfSent(service);
  service.kill("SIGKILL");
  for (const one of idle) await one?.closed;
  for (const half of halves) half?.write(REST);
  for (const half of halves) expect((await half?.closed)?.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  // Its output is closed when no process has it open: no worker is left.
  await service.ended;
  expect(await service.open(GOOD).closed).toBe("");
});

test("a worker that hangs is killed after a time limit", async () => {
  await using service = await start(TWO);
  await connectionsToEach(service, 2);
  process.kill(pids(service).get(2) as number, "SIGSTOP");
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
});
