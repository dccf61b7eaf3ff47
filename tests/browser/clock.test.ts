import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { hearing } from "./hearing.ts";
import { disturbances, expectCalm, expectLiveLogins } from "./play.ts";
import { makeStage, type Stage } from "./stage.ts";

/** A machine whose clock is wrong. */

let stage: Stage;
let backend: NatsConnection;
beforeAll(async () => {
  stage = await makeStage();
  backend = await stage.backend();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const PATIENCE = 60_000;
const DAY = 86_400_000;

/** Runs on the page before all else: its clock is off by `skew`, and more when `jump` is called. */
function falsify(skew: number): void {
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
      await using scene = await stage.scene();
      const page = await scene.open((page) => page.addInitScript(falsify, skew));
      await page.evaluate((client) => lab.begin(client, { ttl: 20 }), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      await page.evaluate((by) => (globalThis as unknown as { jump(by: number): void }).jump(by), jump);
      await within(
        page.evaluate(() => lab.until("refreshed", lab.count("refreshed") + 2)),
        "two renewals",
        PATIENCE,
      );
      await heard.check();
      expect(disturbances(await page.evaluate(() => lab.connection.statuses))).toEqual([]);
      expect(scene.proxy.open().length).toBe(1);
      expectLiveLogins(scene);
      // A clock that jumps may be answered with one renewal at once.
      expectCalm(scene, 3, jump === 0 ? 0 : 1);
    });
  });
}
