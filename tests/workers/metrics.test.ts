import { expect, test } from "bun:test";
import { start } from "../edge/service.ts";
import { connectionsToEach, linesOf, pids } from "./parts.ts";

/** Every worker returns the metrics of all workers. */

const TWO = { MINT_WORKERS: "2" };
const SCRAPE = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const value = (body: string, sample: string) =>
  Number(
    body
      .split("\n")
      .find((line) => line.startsWith(`${sample} `))
      ?.slice(sample.length),
  );
const GRANTED = 'nats_mint_decisions_total{outcome="granted",code="granted",reason="",method="dev"}';

test("the metrics are those of all workers, also after one was killed and while one hangs", async () => {
  await using service = await start(TWO);
  const granted = () => linesOf(service).filter(({ audit }) => audit === "granted").length;
  const all = await connectionsToEach(service, 2, 2);
  const [killed, hangs] = [pids(service).get(1) as number, pids(service).get(2) as number];

  // Many times and concurrently, so that each worker gets requests.
  const scrapes = Array.from({ length: 20 }, async () => (await service.get("/metrics")).text());
  for (const body of await Promise.all(scrapes)) {
    expect(value(body, GRANTED)).toBe(granted());
    expect(value(body, "nats_mint_mint_seconds_count")).toBe(granted());
    expect(value(body, 'nats_mint_request_seconds_bucket{le="+Inf",route="/creds"}')).toBe(granted());
    expect(value(body, "nats_mint_keys_loaded")).toBe(1);
    expect(value(body, "nats_mint_keys_age_seconds")).toBeLessThan(120);
    expect(body).toMatch(/^nats_mint_build_info\{version=".*"\} 1$/m);
    expect(Math.abs(value(body, "process_start_time_seconds") - Date.now() / 1000)).toBeLessThan(600);
    expect(value(body, "process_resident_memory_bytes")).toBeGreaterThan(60e6);
    expect(body).not.toMatch(/nan|undefined/i);
  }

  process.kill(killed, "SIGKILL");
  while (pids(service).get(1) === killed) await Bun.sleep(10);
  const again = await (await service.get("/metrics")).text();
  expect(value(again, GRANTED)).toBe(granted());

  const before = granted();
  const [fresh] = await connectionsToEach(service, 1);
  process.kill(hangs, "SIGSTOP");
  fresh?.[0]?.write(SCRAPE);
  const response = (await fresh?.[0]?.closed) ?? "";
  expect(value(response, GRANTED)).toBeGreaterThanOrEqual(before);
  process.kill(hangs, "SIGCONT");
  for (const one of all.flat()) one.destroy();
});
