import { beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import { compare, PERFECT, publish } from "./publishers.ts";
import { disturbances, expectSpacedRequests, expectValidLogins, withBoth } from "./scenario.ts";
import { probeSubscription } from "./subscription-probe.ts";

/** Live credentials and the mint: renewals in time, and mints that fail or refuse. */

const environment = useEnvironment();
let backend: NatsConnection;
beforeAll(async () => {
  backend = await environment.backend();
});
printMeasures();

const TIMEOUT = 60_000;
/** The shortest lifetime that the mint issues, in seconds. */
const SHORT = 10;

const problem =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    Response.json({ detail: "no" }, { status, headers });

for (const client of ["nats.ws", "nats-core"] as const) {
  describe.concurrent(`a ${client} connection`, () => {
    test("is renewed before each credential expires, and loses no message meanwhile", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate(
        async ({ client, ttl, subject }) => {
          await harness.begin(client, { ttl });
          harness.keep("received", harness.connection.record(subject));
          await harness.nc.flush();
        },
        { client, ttl: 16, subject: user.subject("stream") },
      );
      await using running = publish([await environment.backend()], 200, (nc, text) =>
        nc.publish(user.subject("stream"), text),
      );
      await within(
        page.evaluate(() => harness.until("refreshed", harness.count("refreshed") + 2)),
        "two renewals",
        TIMEOUT,
      );
      await running.stop();
      const { received, ...reported } = await page.evaluate(
        async (sent) => {
          await harness.kept.received.complete(sent);
          const { statuses } = harness.connection;
          return { received: harness.kept.received.received, statuses, delays: harness.count("delayed") };
        },
        { ...running.sent },
      );
      const outcome = {
        ...compare(received, running.sent),
        ...reported,
        statuses: disturbances(reported.statuses),
      };
      expect(outcome).toEqual({ ...PERFECT, statuses: [], delays: 0 });
      expectSpacedRequests(user, 3);
      expectValidLogins(user);
    });

    test("stays on its credential while the mint responds with 500, and is renewed when it works again", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      const probe = await probeSubscription(page, backend, user.subject("a"));
      user.site.respondWith(problem(500));
      await page.evaluate(async () => {
        harness.keep("refreshed", harness.live.refresh());
        await harness.until("delayed", 3);
      });
      await probe.check();
      expect(user.proxy.logins().length).toBe(1);
      user.site.respondWith(undefined);
      await page.evaluate(() => harness.kept.refreshed);
      await probe.check();
      expect(user.proxy.logins().length).toBe(2);
      expect(user.proxy.open().length).toBe(1);
      const reported = await page.evaluate(() => ({
        events: harness.events.map(({ type, ...event }) =>
          "error" in event ? `${type} ${(event.error as { code?: string }).code}` : type,
        ),
        statuses: harness.connection.statuses,
      }));
      expect(new Set(reported.events)).toEqual(
        new Set(["connected", "refreshing", "delayed unavailable", "refreshed"]),
      );
      expect(disturbances(reported.statuses)).toEqual([]);
    });

    test("reconnects when the mint was down until after the credential expired, and never sends an expired one", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate(({ client, ttl }) => harness.begin(client, { ttl }), { client, ttl: SHORT });
      const probe = await probeSubscription(page, backend, user.subject("a"));
      user.site.stop();
      await within(
        user.proxy.until(() => user.proxy.open().length === 0),
        "the credential to expire",
        TIMEOUT,
      );
      // Some more attempts.
      await page.evaluate(async () => harness.until("delayed", harness.count("delayed") + 3));
      expect(user.proxy.logins().length).toBe(1);
      user.site.start();
      const start = performance.now();
      const pending = page.evaluate(() => harness.nc.flush());
      await within(
        page.evaluate(() => harness.until("connected", 2)),
        "the connection",
        TIMEOUT,
      );
      measure(`${client}: connected again after the mint's return`, performance.now() - start);
      await pending;
      measure(`${client}: first flush after the mint's return`, performance.now() - start);
      await probe.check();
      expectValidLogins(user);
      expect(await page.evaluate(() => harness.count("disconnected"))).toBe(1);
    });

    test("sends no request before the time of Retry-After, whatever happens meanwhile", async () => {
      await using user = await environment.user();
      const page = await user.open();
      await page.evaluate((client) => harness.begin(client), client);
      user.site.respondWith(problem(429, { "Retry-After": "3" }));
      const refused = user.site.nextRequest();
      await page.evaluate(async () => {
        harness.keep("refreshed", harness.live.refresh());
        await harness.until("delayed");
      });
      const { at } = await refused;
      user.site.respondWith(undefined);
      const granted = user.site.nextRequest();
      // All that would end another delay.
      await page.evaluate(() => {
        for (const type of ["online", "pageshow", "resume"]) window.dispatchEvent(new Event(type));
        void harness.live.refresh();
      });
      await page.evaluate(() => harness.kept.refreshed);
      const wait = (await granted).at - at;
      measure(`${client}: next request after "Retry-After: 3"`, wait);
      expect(wait).toBeGreaterThanOrEqual(3000);
    });

    for (const status of [401, 403]) {
      test(`gets "unauthorized" on status ${status}, sends no further request, and closes with that error when its credential expires`, async () => {
        await using user = await environment.user();
        const page = await user.open();
        await page.evaluate(({ client, ttl }) => harness.begin(client, { ttl }), { client, ttl: SHORT });
        const probe = await probeSubscription(page, backend, user.subject("a"));
        user.site.respondWith(problem(status));
        const code = await page.evaluate(async () => {
          const error = await harness.live.refresh().catch((error) => error);
          const event = await harness.until("unauthorized");
          return [(error as { code?: string }).code, event.type === "unauthorized" && event.error.code];
        });
        expect(code).toEqual(["unauthorized", "unauthorized"]);
        const requests = user.site.requests.length;
        await probe.check();
        const reason = page.evaluate(async () => {
          const error = await harness.nc.closed();
          return (
            error && { name: error.name, message: error.message, code: (error as { code?: string }).code }
          );
        });
        expect(await within(reason, "the client to close", TIMEOUT)).toEqual({
          name: "UnauthorizedError",
          message: `${status}: no`,
          code: "unauthorized",
        });
        expect(user.site.requests.length).toBe(requests);
        await within(
          user.proxy.until(() => user.proxy.open().length === 0),
          "the connection to close",
          TIMEOUT,
        );
        expectValidLogins(user);
      });
    }
  });
}

describe.concurrent.each([true, false])(
  "a page whose token is about to expire, from a cache that minds %p",
  (minds) => {
    test(
      "gets a credential, and is renewed with the tokens that follow",
      withBoth(async (client) => {
        await using user = await environment.user();
        const page = await user.open();
        const statuses = await page.evaluate(
          async ({ client, minds }) => {
            const left = () => exp - Date.now() / 1000;
            let exp = Math.floor(Date.now() / 1000) + 8;
            // As `updateToken(5)` of keycloak-js.
            const token = ({ fresh }: { fresh: boolean }) => {
              if (left() < 5 || (fresh && minds)) exp = Math.floor(Date.now() / 1000) + 17;
              return `${exp}`;
            };
            await harness.begin(client, { token });
            await harness.until("refreshed");
            return harness.connection.statuses;
          },
          { client, minds },
        );
        expect(disturbances(statuses)).toEqual([]);
        expect(await page.evaluate(() => harness.count("unauthorized"))).toBe(0);
        const responses = user.site.requests.map(({ status }) => status);
        expect(responses[0]).toBe(401);
        expect(new Set(responses)).toEqual(new Set([200, 401]));
        if (minds) expect(responses.slice(0, 2)).toEqual([401, 200]);
        expectValidLogins(user);
      }),
    );
  },
);
