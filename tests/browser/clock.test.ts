import { beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { useEnvironment } from "./environment.ts";
import { disturbances, expectSpacedRequests, expectValidLogins } from "./scenario.ts";
import { probeSubscription } from "./subscription-probe.ts";

/** Renewal on a machine whose clock is wrong. */

const environment = useEnvironment();
let backend: NatsConnection;
beforeAll(async () => {
  backend = await environment.backend();
});

const TIMEOUT = 60_000;
const DAY = 86_400_000;

/** Runs before the page's scripts: the clock is wrong by `skew` milliseconds, and by more after `jump`. */
function skewClock(skew: number): void {
  const now = Date.now;
  let error = skew;
  Date.now = () => now() + error;
  globalThis.Date = class extends Date {
    constructor(...values: []) {
      super(...((values.length > 0 ? values : [now() + error]) as []));
    }
  } as DateConstructor;
  Object.assign(globalThis, { jump: (by: number) => (error += by) });
}

const CASES = [
  { name: "a day ahead", skew: DAY, jump: 0 },
  { name: "a day behind", skew: -DAY, jump: 0 },
  { name: "set ahead by a day while it runs", skew: 0, jump: DAY },
  { name: "set back by a day while it runs", skew: 0, jump: -DAY },
];

for (const client of ["nats.ws", "nats-core"] as const) {
  describe.concurrent(`a ${client} connection`, () => {
    test.each(CASES)("is renewed in time by a clock $name", async ({ skew, jump }) => {
      await using user = await environment.user();
      const page = await user.open((page) => page.addInitScript(skewClock, skew));
      await page.evaluate((client) => harness.begin(client, { ttl: 20 }), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      await page.evaluate((by) => (globalThis as unknown as { jump(by: number): void }).jump(by), jump);
      await within(
        page.evaluate(() => harness.until("refreshed", harness.count("refreshed") + 2)),
        "two renewals",
        TIMEOUT,
      );
      await probe.check();
      expect(disturbances(await page.evaluate(() => harness.connection.statuses))).toEqual([]);
      expect(user.proxy.open().length).toBe(1);
      expectValidLogins(user);
      // After a jump of the clock, one renewal may follow at once.
      expectSpacedRequests(user, 3, jump === 0 ? 0 : 1);
    });
  });
}
