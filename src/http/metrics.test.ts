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
    throw new Error("nobody gets this far");
  },
  servers: { websocket: [], tcp: [] },
  onError: () => {},
};
const withMetrics = createApp({
  ...options,
  metrics: async () => ({ body: "figures 1\n", contentType: TYPE }),
});

test("figures are given to whoever asks the service itself", async () => {
  const response = await withMetrics.request("/metrics");
  expect(response.headers.get("Content-Type")).toBe(TYPE);
  expect(await response.text()).toBe("figures 1\n");
});

test("nothing is given through a proxy, and the answer says so", async () => {
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

test("they have one path, also where another application decodes paths and has this one mounted", async () => {
  const outer = new Hono().route("/nats", withMetrics);
  expect((await outer.request("/nats/metrics?x")).status).toBe(200);
  for (const path of ["%6detrics", "metric%73", "m%65trics?/metrics"]) {
    expect([path, (await outer.request(`/nats/${path}`)).status]).toEqual([path, 404]);
    expect([path, (await withMetrics.request(`/${path}`)).status]).toEqual([path, 404]);
  }
});

test("without figures there is no such path", async () => {
  const response = await createApp(options).request("/metrics");
  expect(response.status).toBe(404);
  expect(((await response.json()) as { detail: string }).detail).toBe("no such path");
});
