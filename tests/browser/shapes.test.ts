import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { headers, type NatsConnection } from "nats";
import { within } from "../mint/parts.ts";
import { measure, printMeasures } from "./measures.ts";
import type { Recorder } from "./page/recorder.ts";
import { midSwap, play, withBoth } from "./play.ts";
import { account, PERFECT } from "./publishers.ts";
import { makeStage, type Stage } from "./stage.ts";

/** Renewals under traffic of every shape. */

let stage: Stage;
let backend: NatsConnection;
beforeAll(async () => {
  stage = await makeStage();
  backend = await stage.backend();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
printMeasures();

const PATIENCE = 60_000;

/** Numbered messages that come in at the test's own end. */
function record(nc: NatsConnection, subject: string, options: { queue?: string } = {}) {
  const heard: Record<string, number[]> = {};
  nc.subscribe(subject, {
    ...options,
    callback: (_, message) => {
      const [publisher = "", number] = message.string().split(" ", 2);
      heard[publisher] ??= [];
      heard[publisher].push(Number(number));
    },
  });
  return heard;
}

describe("renewals", () => {
  test(
    "leave a queue group whose only member the page is without loss",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("jobs");
      await it.page.evaluate(async (subject) => {
        lab.keep("heard", lab.connection.hear(subject, { queue: "workers" }));
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text));
      const heard = it.page.evaluate(async (sent) => {
        const recorder = lab.kept.heard as Recorder;
        await recorder.complete(sent);
        return recorder.heard;
      }, sent);
      const { lost, repeated } = account(await within(heard, "the last job", PATIENCE), sent);
      expect({ lost, repeated }).toEqual({ lost: 0, repeated: 0 });
    }),
  );

  test(
    "leave a queue group of two with every job done once",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("jobs");
      const others = record(backend, subject, { queue: "workers" });
      await backend.flush();
      await it.page.evaluate(async (subject) => {
        lab.keep("heard", lab.connection.hear(subject, { queue: "workers" }));
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text));
      await backend.flush();
      const own = await it.page.evaluate(async () => {
        await lab.nc.flush();
        return (lab.kept.heard as Recorder).heard;
      });
      const all = Object.fromEntries(
        Object.keys(sent).map((publisher) => [
          publisher,
          [...(own[publisher] ?? []), ...(others[publisher] ?? [])],
        ]),
      );
      const { lost, repeated } = account(all, sent);
      expect({ lost, repeated }).toEqual({ lost: 0, repeated: 0 });
      expect(Object.values(own).flat().length).toBeGreaterThan(0);
      expect(Object.values(others).flat().length).toBeGreaterThan(0);
    }),
  );

  test(
    "let a subscription with a maximum have exactly so many",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("few");
      await it.page.evaluate(async (subject) => {
        lab.keep("few", lab.connection.hear(subject, { max: 300 }));
        lab.keep("all", lab.connection.hear(subject));
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text), { publishers: 1 });
      const heard = it.page.evaluate(async (sent) => {
        await lab.kept.all.complete(sent);
        await lab.nc.flush();
        return { few: lab.kept.few.heard, all: lab.kept.all.heard };
      }, sent);
      const { few, all } = await within(heard, "the last message", PATIENCE);
      expect(sent.p0).toBeGreaterThan(300);
      expect(few).toEqual({ p0: Array.from({ length: 300 }, (_, index) => index + 1) });
      expect(account(all, sent)).toEqual(PERFECT);
    }),
  );

  test(
    "let a member of a queue group with a maximum have exactly so many, and the other its own",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("few");
      const others = record(backend, subject, { queue: "workers" });
      await backend.flush();
      await it.page.evaluate(async (subject) => {
        lab.keep("few", lab.connection.hear(subject, { max: 200, queue: "workers" }));
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text));
      await backend.flush();
      const own = await it.page.evaluate(async () => {
        await lab.nc.flush();
        return lab.kept.few.heard as Record<string, number[]>;
      });
      const all = Object.fromEntries(
        Object.keys(sent).map((publisher) => [
          publisher,
          [...(own[publisher] ?? []), ...(others[publisher] ?? [])],
        ]),
      );
      const { lost, repeated } = account(all, sent);
      // Both servers hand out jobs until the client has its number; it drops what is too much.
      measure(
        `${client}: of a queue group's jobs, beyond the maximum of a member that renews`,
        `${lost} lost`,
      );
      expect({ repeated, own: Object.values(own).flat().length }).toEqual({ repeated: 0, own: 200 });
    }),
  );

  test(
    "keep headers, both ways",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const [down, up] = [it.scene.subject("down"), it.scene.subject("up")];
      const uplink: string[] = [];
      backend.subscribe(up, {
        callback: (_, message) => void uplink.push(`${message.headers?.get("Number")} ${message.string()}`),
      });
      await backend.flush();
      await it.page.evaluate(
        async ({ down, up }) => {
          const heard: string[] = [];
          lab.keep("heard", heard);
          lab.nc.subscribe(down, {
            callback: (_, message) => {
              const number = message.headers?.get("Number");
              heard.push(`${number} ${message.string()}`);
              lab.nc.publish(up, message.data, message.headers ? { headers: message.headers } : {});
            },
          });
          await lab.nc.flush();
        },
        { down, up },
      );
      const sent = await it.renewUnder(
        (nc, text) => {
          const set = headers();
          set.set("Number", text);
          nc.publish(down, text, { headers: set });
        },
        { publishers: 1 },
      );
      const all = Array.from({ length: sent.p0 ?? 0 }, (_, index) => `p0 ${index + 1} p0 ${index + 1}`);
      expect(
        await it.page.evaluate(async () => {
          await lab.nc.flush();
          // What was heard while the first one was under way has been sent on after it.
          await lab.nc.flush();
          return lab.kept.heard as string[];
        }),
      ).toEqual(all);
      await backend.flush();
      expect(uplink).toEqual(all);
    }),
  );

  test(
    "keep messages of 512 KiB whole, both ways",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const [down, up] = [it.scene.subject("down"), it.scene.subject("up")];
      const big = (number: number) => `${number} `.padEnd(512 * 1024, `${number}.`);
      const back: number[] = [];
      let sent = 0;
      let isRenewing = true;
      const { promise: all, resolve } = Promise.withResolvers<void>();
      const send = () => isRenewing && backend.publish(down, big(++sent));
      backend.subscribe(up, {
        callback: (_, message) => {
          const text = message.string();
          const number = Number.parseInt(text, 10);
          back.push(text === big(number) ? number : Number.NaN);
          send();
          if (!isRenewing && back.length >= sent) resolve();
        },
      });
      await backend.flush();
      await it.page.evaluate(
        async ({ down, up }) => {
          lab.nc.subscribe(down, { callback: (_, message) => lab.nc.publish(up, message.data) });
          await lab.nc.flush();
        },
        { down, up },
      );
      // So many are under way at any time.
      for (let i = 0; i < 3; i++) send();
      await it.page.evaluate(() => lab.renew(4));
      isRenewing = false;
      await within(all, "the last message", PATIENCE);
      expect(back).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
    }),
  );

  test(
    "lose nothing of a page that publishes every 2 ms",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("up");
      const heard = record(backend, subject);
      await backend.flush();
      const sent = await it.page.evaluate(async (subject) => {
        let count = 0;
        const timer = setInterval(() => lab.nc.publish(subject, `page ${++count}`), 2);
        await lab.renew(8);
        clearInterval(timer);
        await lab.nc.flush();
        return { page: count };
      }, subject);
      await backend.flush();
      expect(account(heard, sent)).toEqual(PERFECT);
    }),
  );

  test(
    "take bursts of 5000 messages",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("burst");
      await it.page.evaluate(async (subject) => {
        lab.keep("heard", lab.connection.hear(subject));
        await lab.nc.flush();
      }, subject);
      let sent = 0;
      for (let i = 0; i < 4; i++) {
        await midSwap(it);
        for (let n = 0; n < 5000; n++) backend.publish(subject, `p ${++sent}`);
        await backend.flush();
        await it.page.evaluate(() => lab.session.refresh());
      }
      const heard = it.page.evaluate(async (sent) => {
        await lab.kept.heard.complete({ p: sent });
        await lab.nc.flush();
        return lab.kept.heard.heard;
      }, sent);
      expect(account(await within(heard, "the last message", PATIENCE), { p: sent })).toEqual(PERFECT);
    }),
  );

  test(
    "keep 300 subscriptions",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      await it.page.evaluate(async (subject) => {
        const recorder = new lab.Recorder();
        lab.keep("heard", recorder);
        for (let i = 0; i < 300; i++) {
          const subscription = `${subject}.${i}`;
          lab.nc.subscribe(subscription, {
            callback: (_, message) => {
              if (message.subject === subscription) recorder.take(message.string());
            },
          });
        }
        await lab.nc.flush();
      }, it.scene.subject("many"));
      const sent = await it.renewUnder((nc, text) =>
        nc.publish(`${it.scene.subject("many")}.${Number(text.split(" ")[1]) % 300}`, text),
      );
      const heard = it.page.evaluate(async (sent) => {
        await lab.kept.heard.complete(sent);
        await lab.nc.flush();
        return lab.kept.heard.heard;
      }, sent);
      expect(account(await within(heard, "the last message", PATIENCE), sent)).toEqual(PERFECT);
    }),
  );

  test(
    "keep subscriptions apart that overlap",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("tree");
      await it.page.evaluate(async (subject) => {
        const patterns = [`${subject}.>`, `${subject}.*`, `${subject}.a`, `${subject}.a`];
        lab.keep(
          "heard",
          patterns.map((pattern) => lab.connection.hear(pattern)),
        );
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(`${subject}.a`, text));
      const heard = it.page.evaluate(async (sent) => {
        const recorders = lab.kept.heard as Recorder[];
        await Promise.all(recorders.map((recorder) => recorder.complete(sent)));
        await lab.nc.flush();
        return recorders.map((recorder) => recorder.heard);
      }, sent);
      const accounts = (await within(heard, "the last message", PATIENCE)).map((one) => account(one, sent));
      expect(accounts).toEqual([PERFECT, PERFECT, PERFECT, PERFECT]);
    }),
  );

  test(
    "don't disturb subscriptions that come and go",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const ask = it.scene.subject("ask");
      // Publishes three messages where it's asked to, then says so.
      backend.subscribe(ask, {
        callback: (_, message) => {
          for (const number of [1, 2, 3]) backend.publish(message.string(), `p ${number}`);
          message.respond();
        },
      });
      await backend.flush();
      const { wrong, count } = await it.page.evaluate(
        async ({ ask, place }) => {
          const wrong: string[] = [];
          let count = 0;
          let isDone = false;
          const churn = async (worker: number) => {
            while (!isDone) {
              const subject = `${place}.${worker}.${++count}`;
              let got = "";
              let isOver = false;
              const subscription = lab.nc.subscribe(subject, {
                callback: (_, message) => {
                  got += isOver ? "late " : `${message.string()} `;
                },
              });
              await lab.nc.request(ask, subject, { timeout: 20_000 });
              if (got !== "p 1 p 2 p 3 ") wrong.push(`${subject}: ${got}`);
              subscription.unsubscribe();
              isOver = true;
            }
          };
          const workers = [churn(0), churn(1), churn(2), churn(3)];
          await lab.renew(8);
          isDone = true;
          await Promise.all(workers);
          return { wrong, count };
        },
        { ask, place: it.scene.subject("churn") },
      );
      expect(wrong).toEqual([]);
      expect(count).toBeGreaterThan(50);
    }),
  );

  test(
    "let a client that wants no echo hear none, and all others",
    withBoth(async (client) => {
      await using it = await play(stage, client, { connection: { noEcho: true } });
      const subject = it.scene.subject("room");
      const others = record(backend, subject);
      await backend.flush();
      await it.page.evaluate(async (subject) => {
        lab.keep("heard", lab.connection.hear(subject));
        await lab.nc.flush();
        lab.keep("count", 0);
        lab.keep(
          "timer",
          setInterval(() => lab.nc.publish(subject, `page ${++lab.kept.count}`), 4),
        );
      }, subject);
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text));
      const heard = it.page.evaluate(async (sent) => {
        clearInterval(lab.kept.timer);
        await lab.kept.heard.complete(sent);
        await lab.nc.flush();
        return {
          heard: lab.kept.heard.heard as Record<string, number[]>,
          published: lab.kept.count as number,
        };
      }, sent);
      const { heard: own, published } = await within(heard, "the last message", PATIENCE);
      await backend.flush();
      expect(own.page).toBe(undefined as never);
      expect(account(own, sent)).toEqual(PERFECT);
      expect(account(others, { ...sent, page: published })).toEqual(PERFECT);
    }),
  );

  test(
    "let a client hear its own messages once",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const heard = it.page.evaluate(async (subject) => {
        const recorder = lab.connection.hear(subject);
        let count = 0;
        const timer = setInterval(() => lab.nc.publish(subject, `page ${++count}`), 4);
        await lab.renew(8);
        clearInterval(timer);
        await recorder.complete({ page: count });
        await lab.nc.flush();
        return { heard: recorder.heard, sent: { page: count } };
      }, it.scene.subject("room"));
      const { heard: own, sent } = await within(heard, "the last message", PATIENCE);
      expect(account(own, sent)).toEqual(PERFECT);
    }),
  );

  test(
    "let drain() in their middle have everything sent and everything heard",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const [down, up] = [it.scene.subject("down"), it.scene.subject("up")];
      const heard = record(backend, up);
      await backend.flush();
      await it.page.evaluate(async (down) => {
        lab.keep("heard", lab.connection.hear(down));
        await lab.nc.flush();
      }, down);
      await midSwap(it);
      for (let number = 1; number <= 500; number++) backend.publish(down, `p ${number}`);
      await backend.flush();
      const drained = it.page.evaluate(async (up) => {
        for (let number = 1; number <= 500; number++) lab.nc.publish(up, `page ${number}`);
        await lab.nc.drain();
        return lab.kept.heard.heard;
      }, up);
      const own = await within(drained, "the drain", PATIENCE);
      await within(
        it.scene.proxy.until(() => it.scene.proxy.open().length === 0),
        "all to be closed",
        PATIENCE,
      );
      await backend.flush();
      expect(account(heard, { page: 500 })).toEqual(PERFECT);
      expect(account(own, { p: 500 })).toEqual(PERFECT);
    }),
  );

  test(
    "let close() in their middle have everything sent that the client has let go of",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const up = it.scene.subject("up");
      const heard = record(backend, up);
      await backend.flush();
      await midSwap(it);
      const closed = it.page.evaluate(async (up) => {
        for (let number = 1; number <= 500; number++) lab.nc.publish(up, `page ${number}`);
        // nats.ws keeps what was published in the same turn to itself, and drops it when it's closed.
        await new Promise((resolve) => setTimeout(resolve));
        await lab.nc.close();
        return lab.connection.closed;
      }, up);
      expect(await within(closed, "the close", PATIENCE)).toBe("");
      await within(
        it.scene.proxy.until(() => it.scene.proxy.open().length === 0),
        "all to be closed",
        PATIENCE,
      );
      await backend.flush();
      expect(account(heard, { page: 500 })).toEqual(PERFECT);
    }),
  );

  test(
    "lose or repeat at most a few of a thousand messages that are equal to the last byte",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("same");
      await it.page.evaluate(async (subject) => {
        lab.keep("heard", lab.connection.hear(subject));
        await lab.nc.flush();
      }, subject);
      const sent = await it.renewUnder((nc) => nc.publish(subject, "same"), { rate: 1000, renewals: 10 });
      const count = await it.page.evaluate(async () => {
        await lab.nc.flush();
        return lab.kept.heard.count as number;
      });
      const total = Object.values(sent).reduce((sum, one) => sum + one, 0);
      measure(
        `${client}: of ${total} equal messages in 10 renewals`,
        `${total - count} lost (or repeated, if below 0)`,
      );
      expect(Math.abs(total - count)).toBeLessThan(total / 100);
    }),
  );

  test(
    "go for all connections of a session",
    withBoth(async (client) => {
      await using it = await play(stage, client);
      const subject = it.scene.subject("a");
      await it.page.evaluate(
        async ({ client, subject }) => {
          const other = await lab.connect(client === "nats.ws" ? "nats-core" : "nats.ws");
          lab.keep("heard", [lab.connection.hear(subject), other.hear(subject)]);
          lab.keep("other", other);
          await Promise.all([lab.nc.flush(), other.nc.flush()]);
        },
        { client, subject },
      );
      const sent = await it.renewUnder((nc, text) => nc.publish(subject, text), { renewals: 3 });
      const heard = it.page.evaluate(async (sent) => {
        const recorders = lab.kept.heard as Recorder[];
        await Promise.all(recorders.map((recorder) => recorder.complete(sent)));
        return recorders.map((recorder) => recorder.heard);
      }, sent);
      const accounts = (await within(heard, "the last message", PATIENCE)).map((one) => account(one, sent));
      expect(accounts).toEqual([PERFECT, PERFECT]);
      expect(it.scene.site.asked.length).toBe(4);
      expect(it.scene.proxy.logins().length).toBe(8);
      expect(it.scene.proxy.open().length).toBe(2);
    }),
  );
});
