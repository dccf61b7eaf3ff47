import { expect, test } from "bun:test";
import { Hono } from "hono";
import { createApp } from "./app.ts";

const TYPE = "text/plain; version=0.0.4; charset=utf-8";
const options = {
  mint: () => {
    throw new Error("there is no mint here");
  },
  authenticate: () => null,
  grant: () => {
    throw new Error("no request gets this far");
  },
  servers: { websocket: [], tcp: [] },
  onError: () => {},
};
const withMetrics = createApp({
  ...options,
  metrics: async () => ({ body: "figures 1\n", contentType: TYPE }),
});

test("metrics are available to direct requests", async () => {
  const response = await withMetrics.request("/metrics");
  expect(response.headers.get("Content-Type")).toBe(TYPE);
  expect(await response.text()).toBe("figures 1\n");
});

test("metrics are not available through a proxy, and the error explains it", async () => {
  for (const header of ["X-Forwarded-For", "Forwarded", "Via"]) {
    for (const value of ["10.0.0.1", ""]) {
      const response = await withMetrics.request("/metrics", { headers: { [header]: value } });
      expect(response.status).toBe(404);
      const { code, detail } = (await response.json()) as { code: string; detail: string };
      expect(code).toBe("not_found");
      expect(detail).toContain("proxy");
    }
  }
});

test("metrics have one path, also when mounted in an application that decodes paths", async () => {
  const outer = new Hono().route("/nats", withMetrics);
  expect((await outer.request("/nats/metrics?x")).status).toBe(200);
  for (const path of ["%6detrics", "metric%73", "m%65trics?/metrics"]) {
    expect([path, (await outer.request(`/nats/${path}`)).status]).toEqual([path, 404]);
    expect([path, (await withMetrics.request(`/${path}`)).status]).toEqual([path, 404]);
  }
});

test("without metrics there is no such path", async () => {
  const response = await createApp(options).request("/metrics");
  expect(response.status).toBe(404);
  expect(((await response.json()) as { detail: string }).detail).toBe("no such path");
});
