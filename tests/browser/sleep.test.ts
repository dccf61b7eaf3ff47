import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { launchRaw, type RawBrowser } from "./devtools.ts";
import { type User, useEnvironment } from "./environment.ts";
import { measure, printMeasures } from "./measures.ts";
import { expectValidLogins } from "./scenario.ts";

/**
 * A page that is frozen, as browsers do with hidden tabs: no timer and no event until it is resumed. (The back/forward cache
 * cannot be tested here: headless Chromium has it turned off, and Chromium does not yet put pages with an open WebSocket
 * into it.)
 */

const environment = useEnvironment();
let browser: RawBrowser;
let backend: NatsConnection;
beforeAll(async () => {
  [browser, backend] = await Promise.all([launchRaw(), environment.backend()]);
});
afterAll(() => browser?.[Symbol.asyncDispose]());
printMeasures();

const TIMEOUT = 60_000;

/** A user's page, connected and subscribed, that can be frozen. */
async function open(user: User, client: string, ttl: number) {
  const page = await browser.open(user.address);
  const subject = user.subject("a");
  await page.evaluate(`(async () => {
    await harness.begin("${client}", { ttl: ${ttl} });
    harness.keep("received", harness.connection.record("${subject}"));
    await harness.nc.flush();
  })()`);
  let sent = 0;
  const freeze = (state: "frozen" | "active") => page.send("Page.setWebLifecycleState", { state });
  return {
    evaluate: page.evaluate,
    freeze: () => freeze("frozen"),
    resume: () => freeze("active"),

    async publish(count: number): Promise<void> {
      for (let i = 0; i < count; i++) backend.publish(subject, `p ${++sent}`);
      await backend.flush();
    },

    /** All messages that were published so far have arrived, once and in order. */
    async expectAll(): Promise<void> {
      const all = Array.from({ length: sent }, (_, index) => index + 1);
      const received = page.evaluate<number[]>(
        `harness.kept.received.complete({ p: ${sent} }).then(() => harness.nc.flush()).then(() => harness.kept.received.received.p)`,
      );
      expect(await within(received, "the last message", TIMEOUT)).toEqual(all);
    },

    /** The last message has arrived. */
    async expectLast(): Promise<void> {
      await within(
        page.evaluate(`harness.kept.received.complete({ p: ${sent} })`),
        "the last message",
        TIMEOUT,
      );
    },
  };
}

for (const client of ["nats.ws", "nats-core"]) {
  describe.concurrent(`a page with a ${client} connection`, () => {
    test("that was frozen for a moment receives what was published meanwhile", async () => {
      await using user = await environment.user();
      const page = await open(user, client, 900);
      await page.freeze();
      await page.publish(100);
      await page.resume();
      await page.expectAll();
      await page.publish(100);
      await page.expectAll();
      expect(user.proxy.logins().length).toBe(1);
    });

    test("that was frozen in the middle of a renewal receives what was published meanwhile, and is renewed", async () => {
      await using user = await environment.user();
      const page = await open(user, client, 900);
      const known = user.proxy.logins().length;
      await page.evaluate('harness.keep("refreshed", harness.live.refresh())');
      await user.proxy.until(() => user.proxy.logins().length > known);
      await page.freeze();
      await page.publish(100);
      await page.resume();
      await within(page.evaluate("harness.kept.refreshed"), "the renewal", TIMEOUT);
      await page.publish(100);
      await page.expectAll();
      expect(user.proxy.open().length).toBe(1);
    });

    test("that was frozen until after its credential expired works again when it is resumed", async () => {
      await using user = await environment.user();
      const page = await open(user, client, 10);
      await page.freeze();
      await within(
        user.proxy.until(() => user.proxy.open().length === 0),
        "the credential to expire",
        TIMEOUT,
      );
      const start = performance.now();
      await page.resume();
      await within(page.evaluate('harness.until("connected", 2)'), "the connection", TIMEOUT);
      measure(`${client}: connected again after the resume`, performance.now() - start);
      await page.evaluate("harness.nc.flush()");
      await page.publish(1);
      await page.expectLast();
      expectValidLogins(user);
    });
  });
}
