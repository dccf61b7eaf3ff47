import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { hearing } from "./hearing.ts";
import { measure, printMeasures } from "./measures.ts";
import { disturbances } from "./play.ts";
import { makeStage, type Stage } from "./stage.ts";

/** What a session does when the way to the server breaks. */

let stage: Stage;
let backend: NatsConnection;
beforeAll(async () => {
  stage = await makeStage();
  backend = await stage.backend();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
printMeasures();

const PATIENCE = 60_000;

for (const client of ["nats.ws", "nats-core"] as const) {
  describe.concurrent(`a ${client} connection`, () => {
    test("that has gone deaf without a word is replaced", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      scene.proxy.goDeaf();
      const start = performance.now();
      await within(
        page.evaluate(() => lab.until("connected", 2)),
        "the new connection",
        PATIENCE,
      );
      measure(`${client}: a deaf connection replaced after`, performance.now() - start);
      await heard.check();
    });

    test("that has gone deaf is looked at, and replaced, when the network comes back", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      await scene.context.setOffline(true);
      scene.proxy.goDeaf();
      await scene.context.setOffline(false);
      const start = performance.now();
      await within(
        page.evaluate(() => lab.until("connected", 2)),
        "the new connection",
        PATIENCE,
      );
      measure(`${client}: a deaf connection replaced after "online"`, performance.now() - start);
      await heard.check();
    });

    test("that broke while there was no network is back when there is one", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      await scene.context.setOffline(true);
      scene.proxy.refuse(true);
      scene.proxy.cut();
      await within(
        page.evaluate(() => lab.until("disconnected")),
        "the end",
        PATIENCE,
      );
      scene.proxy.refuse(false);
      await scene.context.setOffline(false);
      const start = performance.now();
      await within(
        page.evaluate(() => lab.until("connected", 2)),
        "the new connection",
        PATIENCE,
      );
      measure(`${client}: connected again after "online"`, performance.now() - start);
      await heard.check();
    });

    test("that breaks in the middle of a renewal is back, with the new credential, and hears everything once", async () => {
      await using scene = await stage.scene({ delay: 20 });
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      for (let i = 1; i <= 5; i++) {
        const known = scene.proxy.logins().length;
        const said = page.evaluate(async (i) => {
          const connected = lab.until("connected", i + 1);
          await lab.session.refresh();
          await connected;
        }, i);
        await scene.proxy.until(() => scene.proxy.logins().length > known);
        scene.proxy.cut();
        await within(said, "the renewal and the new connection", PATIENCE);
        await heard.check();
      }
      expect(scene.proxy.open().length).toBe(1);
      const [first, last] = [scene.proxy.logins()[0], scene.proxy.logins().at(-1)];
      expect(last?.options.jwt).not.toBe(first?.options.jwt);
    });

    test("that breaks while it logs in is dialled again", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      const known = scene.proxy.logins().length;
      scene.proxy.cutNextLogin();
      scene.proxy.cut();
      await scene.proxy.until(() => scene.proxy.logins().length > known);
      const start = performance.now();
      await within(
        page.evaluate(() => lab.until("connected", 2)),
        "the new connection",
        PATIENCE,
      );
      measure(`${client}: connected again after a login was cut off`, performance.now() - start);
      await heard.check();
    });

    test("stays when a renewal can't reach the server, and is renewed when it can", async () => {
      await using scene = await stage.scene();
      const page = await scene.open();
      await page.evaluate((client) => lab.begin(client), client);
      const heard = await hearing(page, backend, scene.subject("a"));
      scene.proxy.refuse(true);
      await page.evaluate(async () => {
        lab.keep("refreshed", lab.session.refresh());
        await lab.until("delayed", 2);
      });
      await heard.check();
      scene.proxy.refuse(false);
      await within(
        page.evaluate(() => lab.kept.refreshed),
        "the renewal",
        PATIENCE,
      );
      await heard.check();
      expect(disturbances(await page.evaluate(() => lab.connection.statuses))).toEqual([]);
      expect(scene.proxy.logins().length).toBe(2);
    });
  });
}
