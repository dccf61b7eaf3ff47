import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import type { ClientName } from "./page/clients.ts";
import type { Recorder } from "./page/recorder.ts";
import { type Account, account, publish } from "./publishers.ts";
import type { Scene, Stage } from "./stage.ts";

/** A page on a steady stream, which it hears in every way that there is, while it is busy itself and renews. */

const PUBLISHERS = 4;
/** Messages per second. */
const RATE = 1000;
/** Messages before the first renewal, and between two. */
const CALM = 600;
const BETWEEN = 100;

/** Milliseconds to wait for an answer, or for the last message; without a session much of it never comes. */
const PATIENCE = 60_000;
const NAIVE_PATIENCE = 3000;
/** Nanoseconds until an unacknowledged message comes again: less than the renewals last, more than a busy machine's pauses. */
const ACK_WAIT = 10e9;

export const WAYS = ["core", "ordered", "durable", "watch"] as const;

export interface StreamOptions {
  readonly client: ClientName;
  /** With a session, or the way without. */
  readonly isNaive?: boolean;
  readonly renewals: number;
}

export type Outcome = Awaited<ReturnType<typeof stream>>;

export async function stream(
  stage: Stage,
  scene: Scene,
  { client, isNaive = false, renewals }: StreamOptions,
) {
  const backend = await stage.backend();
  const publishers = await Promise.all(Array.from({ length: PUBLISHERS }, () => stage.backend()));
  const subject = scene.subject("stream");
  const name = await prepare(backend, scene.user, subject);
  const uplink = answer(backend, scene);

  const page = await scene.open();
  if (isNaive)
    await page.evaluate(async (client) => lab.keep("renew", await lab.beginNaively(client)), client);
  else await page.evaluate((client) => lab.begin(client), client);
  await page.evaluate(
    async ({ subject, name }) => {
      const core = lab.connection.hear(subject);
      const ordered = await lab.connection.ordered(name);
      const durable = await lab.connection.durable(name, "page");
      const watch = await lab.connection.watch(name);
      lab.keep("heard", { core, ordered, durable, watch });
      await lab.nc.flush();
    },
    { subject, name },
  );

  await using running = publish(publishers, RATE, (nc, text) => {
    nc.publish(subject, bytes(text));
    nc.publish(`$KV.${name}.${text.replace(" ", "-")}`, bytes(text));
  });
  await page.evaluate(
    ({ requests, publishes, patience }) =>
      lab.keep("busy", new lab.Busy(lab.nc, { requests, publishes, patience })),
    {
      requests: scene.subject("echo"),
      publishes: scene.subject("up"),
      patience: isNaive ? NAIVE_PATIENCE : PATIENCE,
    },
  );
  await page.evaluate((calm) => lab.kept.heard.core.reach(calm), CALM);
  const calm = await pauses(page);
  for (let i = 0; i < renewals; i++) {
    await page.evaluate(
      async ({ isNaive, between }) => {
        const { heard, renew } = lab.kept;
        await (isNaive ? renew() : lab.session.refresh());
        await heard.core.reach(heard.core.count + between);
      },
      { isNaive, between: BETWEEN },
    );
  }
  const renewing = await pauses(page);
  await running.stop();
  const { sent } = running;
  const own = await page.evaluate(async () => {
    const { busy } = lab.kept;
    await busy.stop();
    return { done: busy.done, refused: busy.refused };
  });
  const complete = page.evaluate(
    (sent) =>
      Promise.all(Object.values(lab.kept.heard as Record<string, Recorder>).map((one) => one.complete(sent))),
    { ...sent },
  );
  const patience = isNaive ? NAIVE_PATIENCE : PATIENCE;
  const late = await within(complete, "the last message", patience).then(
    () => undefined,
    (error: Error) => error,
  );
  const result = await page.evaluate((ways) => {
    const heard = ways.map((way) => [way, lab.kept.heard[way].heard] as const);
    return {
      heard: Object.fromEntries(heard),
      statuses: lab.connection.statuses,
      closed: lab.connection.closed,
    };
  }, WAYS);
  await backend.flush();
  const heard = Object.fromEntries(WAYS.map((way) => [way, account(result.heard[way], sent)])) as Record<
    Way,
    Account
  >;
  if (late && !isNaive) throw new Error(`${late.message}: ${JSON.stringify(heard)}`);
  return {
    heard,
    messages: Object.values(sent).reduce((sum, count) => sum + count, 0),
    published: account(uplink, { page: own.done.publishes }),
    refused: own.refused,
    done: own.done,
    statuses: result.statuses,
    calm,
    renewing,
  };
}

export type Way = (typeof WAYS)[number];

/** A stream with a durable consumer, and a bucket, all of one name. */
async function prepare(backend: NatsConnection, user: string, subject: string): Promise<string> {
  const jsm = await backend.jetstreamManager();
  const memory = { storage: "memory" as never };
  await jsm.streams.add({ name: user, subjects: [subject], ...memory });
  await jsm.consumers.add(user, {
    durable_name: "page",
    ack_policy: "explicit" as never,
    ack_wait: ACK_WAIT,
  });
  await jsm.streams.add({
    name: `KV_${user}`,
    subjects: [`$KV.${user}.>`],
    max_msgs_per_subject: 1,
    allow_direct: true,
    allow_rollup_hdrs: false,
    deny_delete: true,
    ...memory,
  });
  return user;
}

/** Answers the page's requests with what they hold, and writes down what it publishes. */
function answer(backend: NatsConnection, scene: Scene): Record<string, number[]> {
  const heard: Record<string, number[]> = {};
  backend.subscribe(scene.subject("echo"), { callback: (_, message) => void message.respond(message.data) });
  backend.subscribe(scene.subject("up"), {
    callback: (_, message) => {
      const [publisher = "", number] = message.string().split(" ");
      heard[publisher] ??= [];
      heard[publisher].push(Number(number));
    },
  });
  return heard;
}

const pauses = (page: Page): Promise<Record<Way, number>> =>
  page.evaluate(
    (ways) =>
      Object.fromEntries(ways.map((way) => [way, lab.kept.heard[way].pause()])) as Record<Way, number>,
    WAYS,
  );

const bytes = (text: string) => new TextEncoder().encode(text);
