import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { ConfigError } from "../../core/errors.ts";
import { type OverloadLimits, overloadGate, overloadLimits } from "./overload.ts";
import { problems } from "./problems.ts";

/** Responds to a request for `/` when the test calls its function in `waiting`. A request for `/busy` takes 5 ms. */
function makeService(limits: OverloadLimits, address: string | null = "192.0.2.1") {
  const waiting: (() => void)[] = [];
  let time = 1e9;
  const app = new Hono();
  const gate = overloadGate(overloadLimits(limits), () => time);
  app.use(async (c, next) => {
    const from = c.req.header("From") ?? address ?? undefined;
    gate.admit(from);
    gate.enter(c.req.raw, from);
    await next();
    gate.leave(c.req.raw, from);
  });
  app.get("/", async (c) => {
    await new Promise<void>((respond) => waiting.push(respond));
    return c.text("done");
  });
  app.get("/busy", (c) => {
    time += 5;
    return c.text("done");
  });
  app.get("/fails", () => {
    throw new Error("x");
  });
  app.onError(problems(() => {}, { bearerChallenge: true }));
  return {
    waiting,
    pass: (ms: number) => {
      time += ms;
    },
    get: (path = "/", init: RequestInit = {}) => Promise.resolve(app.request(path, init)),
    status: async (path: string) => (await app.request(path)).status,
  };
}

const turnOver = () => new Promise((resolve) => setImmediate(resolve));

describe("too many requests in flight", () => {
  test("are refused at once, and accepted again when others are finished", async () => {
    const { get, waiting } = makeService({ inFlight: 2, wait: 1000 });
    const accepted = [get(), get()];
    const refused = await get();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("Retry-After")).toBe("1");
    expect(await refused.json()).toMatchObject({ code: "overloaded" });
    waiting[0]?.();
    expect((await accepted[0])?.status).toBe(200);
    const third = get();
    expect((await get()).status).toBe(503);
    for (const respond of waiting) respond();
    expect([(await accepted[1])?.status, (await third).status]).toEqual([200, 200]);
  });

  test("are no longer in flight when they fail", async () => {
    const { status } = makeService({ inFlight: 1, wait: 1000 });
    for (let i = 0; i < 5; i++) expect(await status("/fails")).toBe(500);
  });
});

describe("too many requests in flight from one network", () => {
  const from = (address: string, signal?: AbortSignal) => ({
    headers: { From: address },
    ...(signal && { signal }),
  });

  test("are refused with 429, and requests from other networks are accepted", async () => {
    const { get, waiting } = makeService({ inFlight: 5, wait: 1000, perAddress: 2 });
    const accepted = [get("/", from("a")), get("/", from("a"))];
    const refused = await get("/", from("a"));
    expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "1"]);
    expect(await refused.json()).toMatchObject({ code: "rate_limited" });
    accepted.push(get("/", from("b")), get("/", from("b")), get("/", from("c")));
    expect((await get("/", from("d"))).status).toBe(503);
    for (const respond of waiting) respond();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual(Array(5).fill(200));
    const again = get("/", from("a"));
    waiting.at(-1)?.();
    expect((await again).status).toBe(200);
  });

  test("have no limit of their own when the address isn't known", async () => {
    const { get, waiting } = makeService({ inFlight: 5, wait: 1000, perAddress: 2 }, null);
    const accepted = Array.from({ length: 5 }, () => get());
    expect((await get()).status).toBe(503);
    for (const respond of waiting) respond();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual(Array(5).fill(200));
  });

  test("are not counted once their clients have disconnected", async () => {
    const { get, waiting, pass } = makeService({ inFlight: 3, wait: 1000, perAddress: 2 });
    const client = new AbortController();
    for (const address of ["a", "a", "b"]) void get("/", from(address, client.signal));
    expect((await get("/", from("a"))).status).toBe(503);
    client.abort();
    pass(1000);
    const accepted = [get("/", from("a")), get("/", from("a")), get("/", from("b"))];
    // When requests of disconnected clients end, the places of other requests stay accepted.
    for (const respond of waiting.slice(0, 3)) respond();
    await turnOver();
    expect((await get("/", from("b"))).status).toBe(503);
    for (const respond of waiting) respond();
    expect((await Promise.all(accepted)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe("requests that are ready at the same time", () => {
  const limits = { inFlight: 1000, wait: 8 };

  test("are refused when they have waited too long, and accepted in the next turn of the event loop", async () => {
    const { status } = makeService(limits);
    for (let turn = 0; turn < 3; turn++) {
      const statuses = [await status("/busy"), await status("/busy"), await status("/busy")];
      expect(statuses).toEqual([200, 200, 503]);
      await turnOver();
    }
  });

  test("are not refused for longer than they were accepted, in a turn that doesn't end", async () => {
    const { status, pass } = makeService(limits);
    const statuses: number[] = [];
    for (let i = 0; i < 60; i++) {
      statuses.push(await status("/fails"));
      pass(1);
    }
    const share = statuses.filter((code) => code === 500).length / statuses.length;
    expect(share).toBeGreaterThanOrEqual(0.5);
    expect(share).toBeLessThan(0.6);
  });

  test("have not waited when they came over no connection", async () => {
    const { status } = makeService(limits, null);
    for (let i = 0; i < 5; i++) expect(await status("/busy")).toBe(200);
  });

  test("are not refused because the machine stood still", async () => {
    const { status, pass } = makeService({ inFlight: 1000, wait: 500 });
    for (let i = 0; i < 10; i++) {
      expect(await status("/fails")).toBe(500);
      pass(700);
    }
  });
});

test("each limit is required, and a number above 0", () => {
  for (const wrong of [Number.NaN, 0, -1, "5", undefined] as number[]) {
    expect(() => overloadLimits({ inFlight: wrong, wait: 500 })).toThrow(ConfigError);
    expect(() => overloadLimits({ inFlight: 2000, wait: wrong })).toThrow(ConfigError);
  }
});
