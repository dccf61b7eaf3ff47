import { expect, test } from "bun:test";
import { createAggregate, type MetricsSnapshot } from "./aggregate.ts";
import { createMetrics } from "./metrics.ts";

const DECISION = {
  requestId: "1",
  method: "oidc",
  duration: 1,
  outcome: "granted",
  code: "granted",
  status: 200,
} as const;
const GRANTED = 'nats_mint_decisions_total{outcome="granted",code="granted",reason="",method="oidc"}';

/** The snapshot of a process that has granted `granted` credentials, with keys that are `age` seconds old. */
async function snapshot(granted: number, age?: number): Promise<MetricsSnapshot> {
  let now = 0;
  const metrics = createMetrics({ version: "1", now: () => now });
  if (age !== undefined) metrics.keysLoaded();
  now += (age ?? 0) * 1000;
  for (let i = 0; i < granted; i++) metrics.decided({ ...DECISION, mintDuration: 0.2 });
  // As it arrives from another process.
  return structuredClone(await metrics.snapshot());
}

/** An aggregate over these processes. They send their snapshots at once; a process without a snapshot sends nothing. */
function make(processes: Map<number, MetricsSnapshot | undefined>) {
  const aggregate = createAggregate({
    requestSnapshots() {
      for (const [number, has] of processes) if (has) queueMicrotask(() => aggregate.report(number, has));
      return processes.keys();
    },
    timeout: 50,
  });
  return {
    ...aggregate,
    async sample(name: string): Promise<number | undefined> {
      const lines = (await aggregate.collect()).split("\n");
      const line = lines.find((line) => line.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length));
    },
  };
}

test("counts are added up, and a state is that of the process in the worst state", async () => {
  const aggregate = make(
    new Map([
      [1, await snapshot(3, 10)],
      [2, await snapshot(4, 70)],
    ]),
  );
  expect(await aggregate.sample(GRANTED)).toBe(7);
  expect(await aggregate.sample("nats_mint_mint_seconds_count")).toBe(7);
  expect(await aggregate.sample('nats_mint_mint_seconds_bucket{le="0.00025"}')).toBe(7);
  expect(await aggregate.sample("nats_mint_keys_age_seconds")).toBe(70);
  expect(await aggregate.sample("nats_mint_keys_loaded")).toBe(1);
  expect(await aggregate.sample('nats_mint_build_info{version="1"}')).toBe(1);
});

test("one process without keys is visible", async () => {
  const aggregate = make(
    new Map([
      [1, await snapshot(0, 5)],
      [2, await snapshot(0)],
    ]),
  );
  expect(await aggregate.sample("nats_mint_keys_loaded")).toBe(0);
  expect(await aggregate.sample("nats_mint_keys_age_seconds")).toBe(5);
});

test("the counts of a process remain when it is silent, has ended, and was replaced, but its state does not", async () => {
  const processes = new Map<number, MetricsSnapshot | undefined>([
    [1, await snapshot(3, 10)],
    [2, await snapshot(4, 70)],
  ]);
  const aggregate = make(processes);
  expect(await aggregate.sample(GRANTED)).toBe(7);

  processes.set(1, await snapshot(5, 11));
  processes.set(2, undefined);
  expect(await aggregate.sample(GRANTED)).toBe(9);
  expect(await aggregate.sample("nats_mint_keys_age_seconds")).toBe(70);

  processes.delete(2);
  aggregate.ended(2);
  expect(await aggregate.sample(GRANTED)).toBe(9);
  expect(await aggregate.sample("nats_mint_keys_age_seconds")).toBe(11);

  for (const granted of [1, 2]) {
    processes.set(2, await snapshot(granted, 1));
    expect(await aggregate.sample(GRANTED)).toBe(granted === 1 ? 10 : 12);
    aggregate.ended(2);
  }
  expect(await aggregate.sample("nats_mint_mint_seconds_count")).toBe(14);
});

test("a process that ends before it sends its snapshot is not waited for", async () => {
  const aggregate = createAggregate({ requestSnapshots: () => [1], timeout: 60_000 });
  const body = aggregate.collect();
  aggregate.ended(1);
  expect(await body).toContain("process_resident_memory_bytes");
});

test("simultaneous calls get the same result, with one request to each process", async () => {
  let requested = 0;
  const aggregate = createAggregate({
    requestSnapshots() {
      requested++;
      return [];
    },
  });
  const bodies = await Promise.all([aggregate.collect(), aggregate.collect()]);
  expect(bodies[0]).toBe(bodies[1] as string);
  expect(requested).toBe(1);
});
