import { describe, expect, test } from "bun:test";
import { createMetrics, type MetricsOptions } from "./metrics.ts";

const make = (options: Partial<MetricsOptions> = {}) => createMetrics({ version: "1.2.3", ...options });

/** The samples of one metric, as Prometheus reads them. */
async function samples(metrics: ReturnType<typeof make>, name: string): Promise<string[]> {
  const { body } = await metrics.render();
  return body.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
}

test("requests are counted by path, method and status", async () => {
  const metrics = make();
  const response = { route: "/creds", method: "POST", status: 200, duration: 3 };
  for (let i = 0; i < 3; i++) metrics.handled(response);
  metrics.handled({ ...response, status: 401 });
  expect(await samples(metrics, "nats_mint_requests_total")).toEqual([
    'nats_mint_requests_total{route="/creds",method="POST",status="200"} 3',
    'nats_mint_requests_total{route="/creds",method="POST",status="401"} 1',
  ]);
  expect(await samples(metrics, "nats_mint_request_seconds_count")).toEqual([
    'nats_mint_request_seconds_count{route="/creds"} 4',
  ]);
  expect(await samples(metrics, "nats_mint_request_seconds_sum")).toEqual([
    'nats_mint_request_seconds_sum{route="/creds"} 0.012',
  ]);
});

test("an unknown method has no series of its own", async () => {
  const metrics = make();
  for (let i = 0; i < 100; i++) {
    metrics.handled({ route: "other", method: `METHOD${i}`, status: 404, duration: 1 });
  }
  expect(await samples(metrics, "nats_mint_requests_total")).toEqual([
    'nats_mint_requests_total{route="other",method="other",status="404"} 100',
  ]);
});

test("decisions are counted by outcome, code, reason and method, without names and addresses", async () => {
  const metrics = make();
  const about = {
    requestId: "1",
    method: "oidc",
    address: "192.0.2.1",
    issuer: "https://i",
    subject: "alice",
    duration: 1,
  };
  metrics.decided({ ...about, outcome: "granted", code: "granted", status: 200, mintDuration: 0.04 });
  metrics.decided({ ...about, outcome: "refused", code: "unauthorized", reason: "expired", status: 401 });
  const lines = await samples(metrics, "nats_mint_decisions_total");
  expect(lines).toContain(
    'nats_mint_decisions_total{outcome="granted",code="granted",reason="",method="oidc"} 1',
  );
  expect(lines).toContain(
    'nats_mint_decisions_total{outcome="refused",code="unauthorized",reason="expired",method="oidc"} 1',
  );
  expect(await samples(metrics, "nats_mint_mint_seconds_count")).toEqual(["nats_mint_mint_seconds_count 1"]);
  expect((await metrics.render()).body).not.toMatch(/alice|192\.0\.2\.1|https:\/\/i"/);
});

describe("keys", () => {
  test("have no age before any were loaded", async () => {
    const metrics = make();
    expect(await samples(metrics, "nats_mint_keys_loaded")).toEqual(["nats_mint_keys_loaded 0"]);
    expect(await samples(metrics, "nats_mint_keys_age_seconds")).toEqual([]);
  });

  test("have an age that starts again when new keys were loaded", async () => {
    const clock = { now: 1000 };
    const metrics = make({ now: () => clock.now });
    metrics.keysLoaded();
    clock.now += 60_000;
    metrics.keysRefused();
    expect(await samples(metrics, "nats_mint_keys_loaded")).toEqual(["nats_mint_keys_loaded 1"]);
    expect(await samples(metrics, "nats_mint_keys_age_seconds")).toEqual(["nats_mint_keys_age_seconds 60"]);
    metrics.keysLoaded();
    expect(await samples(metrics, "nats_mint_keys_age_seconds")).toEqual(["nats_mint_keys_age_seconds 0"]);
    const reloads = await samples(metrics, "nats_mint_reloads_total");
    expect(reloads).toContain('nats_mint_reloads_total{what="keys",result="loaded"} 2');
    expect(reloads).toContain('nats_mint_reloads_total{what="keys",result="refused"} 1');
  });

  test("of issuers have series only while the issuer is trusted", async () => {
    let ages = [
      { issuer: "https://a", seconds: 3 },
      { issuer: "https://b", seconds: 4 },
    ];
    const metrics = make({ keyAges: () => ages });
    expect(await samples(metrics, "nats_mint_issuer_keys_age_seconds")).toHaveLength(2);
    ages = [{ issuer: "https://b", seconds: 5 }];
    expect(await samples(metrics, "nats_mint_issuer_keys_age_seconds")).toEqual([
      'nats_mint_issuer_keys_age_seconds{issuer="https://b"} 5',
    ]);
  });
});

test("series that alerts use exist from the start, so that the first event is an increase", async () => {
  const metrics = make();
  expect(await samples(metrics, "nats_mint_reloads_total")).toHaveLength(6);
  const decisions = await samples(metrics, "nats_mint_decisions_total");
  expect(decisions).toContain(
    'nats_mint_decisions_total{outcome="granted",code="granted",reason="",method="dev"} 0',
  );
  expect(decisions).toContain(
    'nats_mint_decisions_total{outcome="refused",code="internal_error",reason="",method=""} 0',
  );
});

test("the metrics of the process are plausible", async () => {
  const { body } = await make().render();
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(body)?.[1]);
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  expect(value("process_resident_memory_bytes")).toBeLessThan(1e11);
  expect(Math.abs(value("process_start_time_seconds") - Date.now() / 1000)).toBeLessThan(86_400);
  expect(value("process_open_fds")).toBeGreaterThan(2);
  expect(body).not.toMatch(/nan/i);
});

test("two sets of metrics are independent", async () => {
  const [one, other] = [make(), make()];
  one.keysLoaded();
  expect(await samples(other, "nats_mint_keys_loaded")).toEqual(["nats_mint_keys_loaded 0"]);
});
