import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import type { Recorder } from "./page/recorder.ts";

/** Whether a subscription of the page, had all the time, is alive. */

const PATIENCE = 60_000;

export interface Hearing {
  /** Has a message published and waits until the page has heard it; fails if that was lost or came twice. */
  check(by?: NatsConnection): Promise<void>;
}

export async function hearing(page: Page, backend: NatsConnection, subject: string): Promise<Hearing> {
  await page.evaluate(async (subject) => {
    lab.keep(subject, lab.connection.hear(subject));
    await lab.nc.flush();
  }, subject);
  let sent = 0;
  return {
    async check(by = backend) {
      // The client's flush comes through when it is connected and has subscribed again.
      await within(
        page.evaluate(() => lab.nc.flush()),
        "the page's flush",
        PATIENCE,
      );
      by.publish(subject, `p ${++sent}`);
      await by.flush();
      const heard = page.evaluate(
        async ({ subject, sent }) => {
          const recorder = lab.kept[subject] as Recorder;
          await recorder.complete({ p: sent });
          await lab.nc.flush();
          return recorder.heard.p;
        },
        { subject, sent },
      );
      const numbers = await within(heard, `message ${sent} on the page`, PATIENCE);
      if (numbers?.filter((number) => number === sent).length !== 1) {
        throw new Error(`message ${sent} came more than once: ${numbers}`);
      }
    },
  };
}
