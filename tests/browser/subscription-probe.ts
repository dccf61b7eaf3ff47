import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import type { Recorder } from "./page/recorder.ts";

/** Milliseconds. */
const TIMEOUT = 20_000;

/** Checks that a subscription which the page made once still receives. */
export interface SubscriptionProbe {
  /** Publishes a message; fails unless the page receives it exactly once. */
  check(by?: NatsConnection): Promise<void>;
}

/** Subscribes on the page. */
export async function probeSubscription(
  page: Page,
  backend: NatsConnection,
  subject: string,
): Promise<SubscriptionProbe> {
  await page.evaluate(async (subject) => {
    harness.keep(subject, harness.connection.record(subject));
    await harness.nc.flush();
  }, subject);
  let sent = 0;
  return {
    async check(by = backend) {
      // The client's flush succeeds when the client is connected and has subscribed again.
      await within(
        page.evaluate(() => harness.nc.flush()),
        "the page's flush",
        TIMEOUT,
      );
      by.publish(subject, `p ${++sent}`);
      await by.flush();
      const received = page.evaluate(
        async ({ subject, sent }) => {
          const recorder = harness.kept[subject] as Recorder;
          await recorder.complete({ p: sent });
          await harness.nc.flush();
          return recorder.received.p;
        },
        { subject, sent },
      );
      const numbers = await within(received, `message ${sent} on the page`, TIMEOUT);
      if (numbers?.filter((number) => number === sent).length !== 1) {
        throw new Error(`the page received message ${sent} more than once: ${numbers}`);
      }
    },
  };
}
