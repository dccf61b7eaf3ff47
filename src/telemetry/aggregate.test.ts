import { expect, test } from "bun:test";
import { createMetrics } from "./metrics.ts";
import { createTotals, type Figures } from "./totals.ts";

const DECISION = { requestId: "1", duration: 1, outcome: "granted", code: "granted", status: 200 } as const;
const GRANTED = 'nats_mint_decisions_total{outcome="granted",code="granted",reason=""}';

/** A process that has granted so many credentials, and has had its keys for so many seconds. */
async function figures(granted: number, age?: number): Promise<Figures> {
  let now = 0;
  const metrics = createMetrics({ version: "1", now: () => now });
  if (age !== undefined) metrics.keysLoaded();
  now += (age ?? 0) * 1000;
  for (let i = 0; i < granted; i++) metrics.decided({ ...DECISION, mintDuration: 0.2 });
  // As it comes from another process.
  return structuredClone(await metrics.figures());
}

/** Processes that answer at once, but for those that have nothing to say. */
function make(processes: Map<number, Figures | undefined>) {
  const totals = createTotals({
    ask() {
      for (const [number, has] of processes) if (has) queueMicrotask(() => totals.told(number, has));
      return processes.keys();
    },
    patience: 50,
  });
  return {
    ...totals,
    async sample(name: string): Promise<number | undefined> {
      const lines = (await totals.collect()).split("\n");
      const line = lines.find((line) => line.startsWith(`${name} `));
      return line === undefined ? undefined : Number(line.slice(name.length));
    },
  };
}

test("counts are added up, a state is that of the process that is worst off", async () => {
  const totals = make(
    new Map([
      [1, await figures(3, 10)],
      [2, await figures(4, 70)],
    ]),
  );
  expect(await totals.sample(GRANTED)).toBe(7);
  expect(await totals.sample("nats_mint_mint_seconds_count")).toBe(7);
  expect(await totals.sample('nats_mint_mint_seconds_bucket{le="0.00025"}')).toBe(7);
  expect(await totals.sample("nats_mint_keys_age_seconds")).toBe(70);
  expect(await totals.sample("nats_mint_keys_loaded")).toBe(1);
  expect(await totals.sample('nats_mint_build_info{version="1"}')).toBe(1);
});

test("one process without keys is said", async () => {
  const totals = make(
    new Map([
      [1, await figures(0, 5)],
      [2, await figures(0)],
    ]),
  );
  expect(await totals.sample("nats_mint_keys_loaded")).toBe(0);
  expect(await totals.sample("nats_mint_keys_age_seconds")).toBe(5);
});

test("what a process had counted is still there when it is silent, has ended, and was replaced, but its state is not", async () => {
  const processes = new Map<number, Figures | undefined>([
    [1, await figures(3, 10)],
    [2, await figures(4, 70)],
  ]);
  const totals = make(processes);
  expect(await totals.sample(GRANTED)).toBe(7);

  processes.set(1, await figures(5, 11));
  processes.set(2, undefined);
  expect(await totals.sample(GRANTED)).toBe(9);
  expect(await totals.sample("nats_mint_keys_age_seconds")).toBe(70);

  processes.delete(2);
  totals.ended(2);
  expect(await totals.sample(GRANTED)).toBe(9);
  expect(await totals.sample("nats_mint_keys_age_seconds")).toBe(11);

  for (const granted of [1, 2]) {
    processes.set(2, await figures(granted, 1));
    expect(await totals.sample(GRANTED)).toBe(granted === 1 ? 10 : 12);
    totals.ended(2);
  }
  expect(await totals.sample("nats_mint_mint_seconds_count")).toBe(14);
});

test("one that ends while it is asked is not waited for", async () => {
  const totals = createTotals({ ask: () => [1], patience: 60_000 });
  const body = totals.collect();
  totals.ended(1);
  expect(await body).toContain("process_resident_memory_bytes");
});

test("who asks while others ask gets the same answer", async () => {
  let asked = 0;
  const totals = createTotals({
    ask() {
      asked++;
      return [];
    },
  });
  const bodies = await Promise.all([totals.collect(), totals.collect()]);
  expect(bodies[0]).toBe(bodies[1] as string);
  expect(asked).toBe(1);
});
