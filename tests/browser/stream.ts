import type { NatsConnection } from "nats";
import type { Page } from "playwright-core";
import { within } from "../mint/parts.ts";
import type { Environment, User } from "./environment.ts";
import type { ClientName } from "./page/clients.ts";
import type { Recorder } from "./page/recorder.ts";
import { type Comparison, compare, publish } from "./publishers.ts";

/** A page that receives a stream of messages in four ways, is busy with requests of its own, and renews meanwhile. */

const PUBLISHERS = 4;
/** Messages per second. */
const RATE = 1000;
/** Messages to receive before the first renewal, and between two. */
const CALM = 600;
const BETWEEN = 100;

/** Milliseconds to wait for a response, or for the last message. A client that reconnects loses some of them. */
const TIMEOUT = 60_000;
const RECONNECTING_TIMEOUT = 3000;
/** Nanoseconds until an unacknowledged message is sent again: less than the renewals take, more than the pauses of a busy machine. */
const ACK_WAIT = 10e9;

export const WAYS = ["core", "ordered", "durable", "watch"] as const;

export interface StreamOptions {
  readonly client: ClientName;
  /** Renews by `reconnect()` of the client, without this module. */
  readonly isReconnecting?: boolean;
  readonly renewals: number;
}

export type Outcome = Awaited<ReturnType<typeof stream>>;

export async function stream(
  environment: Environment,
  user: User,
  { client, isReconnecting = false, renewals }: StreamOptions,
) {
  const backend = await environment.backend();
  const publishers = await Promise.all(Array.from({ length: PUBLISHERS }, () => environment.backend()));
  const subject = user.subject("stream");
  const name = await prepare(backend, user.name, subject);
  const uplink = serve(backend, user);

  const page = await user.open();
  if (isReconnecting)
    await page.evaluate(
      async (client) => harness.keep("renew", await harness.beginReconnecting(client)),
      client,
    );
  else await page.evaluate((client) => harness.begin(client), client);
  await page.evaluate(
    async ({ subject, name }) => {
      const core = harness.connection.record(subject);
      const ordered = await harness.connection.ordered(name);
      const durable = await harness.connection.durable(name, "page");
      const watch = await harness.connection.watch(name);
      harness.keep("received", { core, ordered, durable, watch });
      await harness.nc.flush();
    },
    { subject, name },
  );

  await using running = publish(publishers, RATE, (nc, text) => {
    nc.publish(subject, bytes(text));
    nc.publish(`$KV.${name}.${text.replace(" ", "-")}`, bytes(text));
  });
  await page.evaluate(
    ({ requests, publishes, timeout }) =>
      harness.keep("busy", new harness.Busy(harness.nc, { requests, publishes, timeout })),
    {
      requests: user.subject("echo"),
      publishes: user.subject("up"),
      timeout: isReconnecting ? RECONNECTING_TIMEOUT : TIMEOUT,
    },
  );
  await page.evaluate((calm) => harness.kept.received.core.reach(calm), CALM);
  const calm = await pauses(page);
  for (let i = 0; i < renewals; i++) {
    await page.evaluate(
      async ({ isReconnecting, between }) => {
        const { received, renew } = harness.kept;
        await (isReconnecting ? renew() : harness.live.refresh());
        await received.core.reach(received.core.count + between);
      },
      { isReconnecting, between: BETWEEN },
    );
  }
  const renewing = await pauses(page);
  await running.stop();
  const { sent } = running;
  const own = await page.evaluate(async () => {
    const { busy } = harness.kept;
    await busy.stop();
    return { done: busy.done, errors: busy.errors };
  });
  const complete = page.evaluate(
    (sent) =>
      Promise.all(
        Object.values(harness.kept.received as Record<string, Recorder>).map((one) => one.complete(sent)),
      ),
    { ...sent },
  );
  const timeout = isReconnecting ? RECONNECTING_TIMEOUT : TIMEOUT;
  const late = await within(complete, "the last message", timeout).then(
    () => undefined,
    (error: Error) => error,
  );
  const result = await page.evaluate((ways) => {
    const received = ways.map((way) => [way, harness.kept.received[way].received] as const);
    return {
      received: Object.fromEntries(received),
      statuses: harness.connection.statuses,
      closed: harness.connection.closed,
    };
  }, WAYS);
  await backend.flush();
  const received = Object.fromEntries(
    WAYS.map((way) => [way, compare(result.received[way], sent)]),
  ) as Record<Way, Comparison>;
  if (late && !isReconnecting) throw new Error(`${late.message}: ${JSON.stringify(received)}`);
  return {
    received,
    messages: Object.values(sent).reduce((sum, count) => sum + count, 0),
    published: compare(uplink, { page: own.done.publishes }),
    errors: own.errors,
    done: own.done,
    statuses: result.statuses,
    calm,
    renewing,
  };
}

export type Way = (typeof WAYS)[number];

/** Makes a stream with a durable consumer, and a bucket; both are named after the user. */
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

/** Responds to the page's requests with their data, and records what the page publishes. */
function serve(backend: NatsConnection, user: User): Record<string, number[]> {
  const received: Record<string, number[]> = {};
  backend.subscribe(user.subject("echo"), { callback: (_, message) => void message.respond(message.data) });
  backend.subscribe(user.subject("up"), {
    callback: (_, message) => {
      const [publisher = "", number] = message.string().split(" ");
      received[publisher] ??= [];
      received[publisher].push(Number(number));
    },
  });
  return received;
}

const pauses = (page: Page): Promise<Record<Way, number>> =>
  page.evaluate(
    (ways) =>
      Object.fromEntries(ways.map((way) => [way, harness.kept.received[way].pause()])) as Record<Way, number>,
    WAYS,
  );

const bytes = (text: string) => new TextEncoder().encode(text);
