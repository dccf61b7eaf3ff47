import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { hearing } from "./hearing.ts";
import { measure, printMeasures } from "./measures.ts";
import { disturbances, expectCalm, expectLiveLogins } from "./play.ts";
import { account, PERFECT, publish } from "./publishers.ts";
import { makeStage, type Stage } from "./stage.ts";

/** What a session does when the mint doesn't give. */

let stage: Stage;
let backend: NatsConnection;
beforeAll(async () => {
  stage = await makeStage();
  backend = await stage.backend();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
printMeasures();

const PATIENCE = 60_000;
/** The shortest life that the mint gives, in seconds. */
const SHORT = 10;

const problem =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    Response.json({ detail: "no" }, { status, headers });

for (const client of ["nats.ws", "nats-core"] as const) {
  describe.concurrent(`a ${client} connection`, () => {
    test("is renewed by itself before its credential ends, again and again, under a stream, and loses nothing", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate(
        async ({ client, ttl, subject }) => {
          await lab.begin(client, { ttl });
          lab.keep("heard", lab.connection.hear(subject));
          await lab.nc.flush();
        },
        { client, ttl: 16, subject: scene.subject("stream") },
      );
      await using running = publish([await stage.backend()], 200, (nc, text) =>
        nc.publish(scene.subject("stream"), text),
      );
      await within(
        page.evaluate(() => lab.until("refreshed", lab.count("refreshed") + 2)),
        "two renewals",
        PATIENCE,
      );
      await running.stop();
      const { heard, ...told } = await page.evaluate(
        async (sent) => {
          await lab.kept.heard.complete(sent);
          const { statuses } = lab.connection;
          return { heard: lab.kept.heard.heard, statuses, delays: lab.count("delayed") };
        },
        { ...running.sent },
      );
      const outcome = { ...account(heard, running.sent), ...told, statuses: disturbances(told.statuses) };
      expect(outcome).toEqual({ ...PERFECT, statuses: [], delays: 0 });
      expectCalm(scene, 3);
      expectLiveLogins(scene);
    });

    test("stays on its old credential while the mint answers 500, and is renewed once it answers", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      scene.site.answerWith(problem(500));
      await page.evaluate(async () => {
        lab.keep("refreshed", lab.session.refresh());
        await lab.until("delayed", 3);
      });
      await heard.check();
      expect(scene.proxy.logins().length).toBe(1);
      scene.site.answerWith(undefined);
      await page.evaluate(() => lab.kept.refreshed);
      await heard.check();
      expect(scene.proxy.logins().length).toBe(2);
      expect(scene.proxy.open().length).toBe(1);
      const told = await page.evaluate(() => ({
        events: lab.events.map(({ type, ...event }) =>
          "error" in event ? `${type} ${(event.error as { code?: string }).code}` : type,
        ),
        statuses: lab.connection.statuses,
      }));
      expect(new Set(told.events)).toEqual(
        new Set(["connected", "refreshing", "delayed unavailable", "refreshed"]),
      );
      expect(disturbances(told.statuses)).toEqual([]);
    });

    test("comes back when the mint was gone across the credential's end, and never presents an ended one", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate(({ client, ttl }) => lab.begin(client, { ttl }), { client, ttl: SHORT });
      const heard = await hearing(page, backend, scene.subject("a"));
      scene.site.stop();
      await within(
        scene.proxy.until(() => scene.proxy.open().length === 0),
        "the credential's end",
        PATIENCE,
      );
      // Some more tries.
      await page.evaluate(async () => lab.until("delayed", lab.count("delayed") + 3));
      expect(scene.proxy.logins().length).toBe(1);
      scene.site.start();
      const start = performance.now();
      const pending = page.evaluate(() => lab.nc.flush());
      await within(
        page.evaluate(() => lab.until("connected", 2)),
        "the connection",
        PATIENCE,
      );
      measure(`${client}: connected again after the mint's return`, performance.now() - start);
      await pending;
      measure(`${client}: working again after the mint's return`, performance.now() - start);
      await heard.check();
      expectLiveLogins(scene);
      expect(await page.evaluate(() => lab.count("disconnected"))).toBe(1);
    });

    test("with a mint that says 429 and Retry-After asks no sooner", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      scene.site.answerWith(problem(429, { "Retry-After": "3" }));
      const refused = scene.site.nextAsked();
      await page.evaluate(async () => {
        lab.keep("refreshed", lab.session.refresh());
        await lab.until("delayed");
      });
      const { at } = await refused;
      scene.site.answerWith(undefined);
      const granted = scene.site.nextAsked();
      // Whatever wakes it in between.
      await page.evaluate(() => {
        for (const type of ["online", "pageshow", "resume"]) window.dispatchEvent(new Event(type));
        void lab.session.refresh();
      });
      await page.evaluate(() => lab.kept.refreshed);
      const wait = (await granted).at - at;
      measure(`${client}: next request after "Retry-After: 3"`, wait);
      expect(wait).toBeGreaterThanOrEqual(3000);
    });

    for (const status of [401, 403]) {
      test(`is told by a ${status} that there will be no more, asks no more, and closes with that when its credential ends`, async () => {
        await using scene = await stage.scene();
        const page = await scene.open();
        await page.evaluate(({ client, ttl }) => lab.begin(client, { ttl }), { client, ttl: SHORT });
        const heard = await hearing(page, backend, scene.subject("a"));
        scene.site.answerWith(problem(status));
        const code = await page.evaluate(async () => {
          const error = await lab.session.refresh().catch((error) => error);
          const event = await lab.until("unauthorized");
          return [(error as { code?: string }).code, event.type === "unauthorized" && event.error.code];
        });
        expect(code).toEqual(["unauthorized", "unauthorized"]);
        const asked = scene.site.asked.length;
        await heard.check();
        const reason = page.evaluate(async () => {
          const error = await lab.nc.closed();
          return (
            error && { name: error.name, message: error.message, code: (error as { code?: string }).code }
          );
        });
        expect(await within(reason, "the client to close", PATIENCE)).toEqual({
          name: "UnauthorizedError",
          message: `${status}: no`,
          code: "unauthorized",
        });
        expect(scene.site.asked.length).toBe(asked);
        expect(scene.proxy.open()).toEqual([]);
        expectLiveLogins(scene);
      });
    }
  });
}
