import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { launchRaw, type RawBrowser } from "./devtools.ts";
import { measure, printMeasures } from "./measures.ts";
import { expectLiveLogins } from "./play.ts";
import { makeStage, type Scene, type Stage } from "./stage.ts";

/**
 * A page that is frozen, as browsers do it with tabs that nobody looks at: no timer and no event until it is thawed.
 * (The back/forward cache can't be had here: Chromium without a window has it turned off, and no Chromium yet takes
 * pages with an open WebSocket into it.)
 */

let stage: Stage;
let browser: RawBrowser;
let backend: NatsConnection;
beforeAll(async () => {
  [stage, browser] = await Promise.all([makeStage(), launchRaw()]);
  backend = await stage.backend();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await stage?.[Symbol.asyncDispose]();
});
printMeasures();

const PATIENCE = 60_000;

/** A page of a scene, connected, hearing, that can be frozen. */
async function open(scene: Scene, client: string, ttl: number) {
  const page = await browser.open(scene.address);
  const subject = scene.subject("a");
  await page.evaluate(`(async () => {
    await lab.begin("${client}", { ttl: ${ttl} });
    lab.keep("heard", lab.connection.hear("${subject}"));
    await lab.nc.flush();
  })()`);
  let sent = 0;
  const freeze = (state: "frozen" | "active") => page.send("Page.setWebLifecycleState", { state });
  return {
    evaluate: page.evaluate,
    freeze: () => freeze("frozen"),
    thaw: () => freeze("active"),

    async publish(count: number): Promise<void> {
      for (let i = 0; i < count; i++) backend.publish(subject, `p ${++sent}`);
      await backend.flush();
    },

    /** All that was published so far has come, once, in order. */
    async expectAll(): Promise<void> {
      const all = Array.from({ length: sent }, (_, index) => index + 1);
      const heard = page.evaluate<number[]>(
        `lab.kept.heard.complete({ p: ${sent} }).then(() => lab.nc.flush()).then(() => lab.kept.heard.heard.p)`,
      );
      expect(await within(heard, "the last message", PATIENCE)).toEqual(all);
    },

    /** The last message has come. */
    async expectLast(): Promise<void> {
      await within(page.evaluate(`lab.kept.heard.complete({ p: ${sent} })`), "the last message", PATIENCE);
    },
  };
}

for (const client of ["nats.ws", "nats-core"]) {
  describe.concurrent(`a page with a ${client} connection`, () => {
    test("that was frozen for a moment hears all that came meanwhile", async () => {
      await using scene = await stage.scene();
      const page = await open(scene, client, 900);
      await page.freeze();
      await page.publish(100);
      await page.thaw();
      await page.expectAll();
      await page.publish(100);
      await page.expectAll();
      expect(scene.proxy.logins().length).toBe(1);
    });

    test("that was frozen in the middle of a renewal hears all that came meanwhile, and is renewed", async () => {
      await using scene = await stage.scene();
      const page = await open(scene, client, 900);
      const known = scene.proxy.logins().length;
      await page.evaluate('lab.keep("refreshed", lab.session.refresh())');
      await scene.proxy.until(() => scene.proxy.logins().length > known);
      await page.freeze();
      await page.publish(100);
      await page.thaw();
      await within(page.evaluate("lab.kept.refreshed"), "the renewal", PATIENCE);
      await page.publish(100);
      await page.expectAll();
      expect(scene.proxy.open().length).toBe(1);
    });

    test("that was frozen beyond its credential's end works again when it's thawed", async () => {
      await using scene = await stage.scene();
      const page = await open(scene, client, 10);
      await page.freeze();
      await within(
        scene.proxy.until(() => scene.proxy.open().length === 0),
        "the credential's end",
        PATIENCE,
      );
      const start = performance.now();
      await page.thaw();
      await within(page.evaluate('lab.until("connected", 2)'), "the connection", PATIENCE);
      measure(`${client}: connected again after the thaw`, performance.now() - start);
      await page.evaluate("lab.nc.flush()");
      await page.publish(1);
      await page.expectLast();
      expectLiveLogins(scene);
    });
  });
}
