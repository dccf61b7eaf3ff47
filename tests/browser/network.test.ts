import { beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import { disturbances } from "./scenario.ts";
import { probeSubscription } from "./subscription-probe.ts";

/** Live credentials when the network to the server fails. */

const environment = useEnvironment();
let backend: NatsConnection;
beforeAll(async () => {
  backend = await environment.backend();
});
printMeasures();

const TIMEOUT = 60_000;

for (const client of ["nats.ws", "nats-core"] as const) {
  describe.concurrent(`a ${client} connection`, () => {
    test("whose server stops responding, without a close, is replaced", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      user.proxy.dropTraffic();
      const start = performance.now();
      await within(
        page.evaluate(() => harness.until("connected", 2)),
        "the new connection",
        TIMEOUT,
      );
      measure(`${client}: an unresponsive connection replaced after`, performance.now() - start);
      await probe.check();
    });

    test("whose server stops responding is checked, and replaced, when the network is back", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      await user.context.setOffline(true);
      user.proxy.dropTraffic();
      await user.context.setOffline(false);
      const start = performance.now();
      await within(
        page.evaluate(() => harness.until("connected", 2)),
        "the new connection",
        TIMEOUT,
      );
      measure(`${client}: an unresponsive connection replaced after "online"`, performance.now() - start);
      await probe.check();
    });

    test("that broke while the page was offline is back when it is online", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      await user.context.setOffline(true);
      user.proxy.refuse(true);
      user.proxy.cut();
      await within(
        page.evaluate(() => harness.until("disconnected")),
        "the disconnect",
        TIMEOUT,
      );
      user.proxy.refuse(false);
      await user.context.setOffline(false);
      const start = performance.now();
      await within(
        page.evaluate(() => harness.until("connected", 2)),
        "the new connection",
        TIMEOUT,
      );
      measure(`${client}: connected again after "online"`, performance.now() - start);
      await probe.check();
    });

    test("that breaks in the middle of a renewal is back with the new credential, and receives each message once", async () => {
      await using user = await environment.user({ delay: 20 });
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      for (let i = 1; i <= 5; i++) {
        const known = user.proxy.logins().length;
        const renewed = page.evaluate(async (i) => {
          const connected = harness.until("connected", i + 1);
          await harness.live.refresh();
          await connected;
        }, i);
        await user.proxy.until(() => user.proxy.logins().length > known);
        user.proxy.cut();
        await within(renewed, "the renewal and the new connection", TIMEOUT);
        await probe.check();
      }
      expect(user.proxy.open().length).toBe(1);
      const [first, last] = [user.proxy.logins()[0], user.proxy.logins().at(-1)];
      expect(last?.options.jwt).not.toBe(first?.options.jwt);
    });

    test("that breaks during its login is dialed again", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      const known = user.proxy.logins().length;
      user.proxy.cutNextLogin();
      user.proxy.cut();
      await user.proxy.until(() => user.proxy.logins().length > known);
      const start = performance.now();
      await within(
        page.evaluate(() => harness.until("connected", 2)),
        "the new connection",
        TIMEOUT,
      );
      measure(`${client}: connected again after a login was cut off`, performance.now() - start);
      await probe.check();
    });

    test("stays when a renewal cannot reach the server, and is renewed when it can", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      user.proxy.refuse(true);
      await page.evaluate(async () => {
        harness.keep("refreshed", harness.live.refresh());
        await harness.until("delayed", 2);
      });
      await probe.check();
      user.proxy.refuse(false);
      await within(
        page.evaluate(() => harness.kept.refreshed),
        "the renewal",
        TIMEOUT,
      );
      await probe.check();
      expect(disturbances(await page.evaluate(() => harness.connection.statuses))).toEqual([]);
      expect(user.proxy.logins().length).toBe(2);
    });
  });
}
