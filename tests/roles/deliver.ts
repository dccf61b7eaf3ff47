import { headers } from "nats";
import { type Client, TIMEOUT, within } from "../mint/parts.ts";
import { until } from "./recipes.ts";

/**
 * A consumer that delivers to a subject without a literal subscription. A consumer checks for interest in a subject
 * without wildcards only, but gets changes of interest through a channel that holds eight of them and drops the ninth.
 * While it waits between two messages (`replay_policy: original`) it does not read the channel: after "no interest" and
 * "interest" four times, the last "no interest" is lost. Now nothing is subscribed, so the deliver subject may be
 * changed, and the consumer stays active. A subscription to `>` anywhere in the account would prevent the change.
 */

export interface Source {
  readonly client: Client;
  readonly stream: string;
  readonly filter: string;
  /** A subject that the client may subscribe to. */
  readonly inbox: string;
  /** Publishes a message that matches the filter. Returns its sequence. */
  readonly publish: (text: string, more?: Record<string, string>) => Promise<number>;
}

export interface ConsumerResponse {
  readonly error?: { readonly err_code: number; readonly description: string };
  readonly name?: string;
  readonly config?: Record<string, unknown>;
}

/** A stream with a subject that a client may publish to and read through its own consumer. */
export const sourceOf = (client: Client, stream: string, filter: string, subject: string): Source => ({
  client,
  stream,
  filter,
  inbox: "_INBOX_alice",
  async publish(text, more = {}) {
    const all = headers();
    for (const [name, value] of Object.entries({ "Nats-Msg-Id": crypto.randomUUID(), ...more }))
      all.set(name, value);
    const response = await client.nc.request(subject, text, { headers: all, timeout: TIMEOUT });
    const { seq, error } = response.json<{ seq: number; error?: { description: string } }>();
    if (error) throw new Error(error.description);
    return seq;
  },
});

/** The response to a request to create or update a consumer; stream, name and filter are those in the subject. */
export async function consume(
  { client, stream, filter }: Pick<Source, "client" | "stream" | "filter">,
  config: object,
  name: string = crypto.randomUUID(),
): Promise<ConsumerResponse> {
  const response = await client.nc.request(
    `$JS.API.CONSUMER.CREATE.${stream}.${name}.${filter}`,
    JSON.stringify({
      stream_name: stream,
      config: { filter_subject: filter, ack_policy: "none", ...config },
    }),
    { timeout: TIMEOUT },
  );
  return response.json<ConsumerResponse>();
}

/** Milliseconds between the first two messages: the time that a consumer waits between them. */
const GAP = 1000;

/** Creates a consumer of the source and changes it to deliver to `target`, which has no literal subscription. */
export async function redirect(source: Source, target: string, observer: Client) {
  const { client, stream, inbox, publish } = source;
  const manager = await observer.nc.jetstreamManager();
  const begin = await publish("first");
  const { time } = await manager.streams.getMessage(stream, { seq: begin });
  const isGapOver = async () =>
    Date.parse((await manager.streams.info(stream)).ts ?? "") > time.getTime() + GAP;
  await until(isGapOver, "the gap", observer);
  await publish("second");

  const subject = `${inbox}.${crypto.randomUUID()}`;
  const first = Promise.withResolvers<void>();
  let subscription = client.nc.subscribe(subject, { callback: () => first.resolve() });
  const config = {
    deliver_subject: subject,
    deliver_policy: "by_start_sequence",
    opt_start_seq: begin,
    replay_policy: "original",
    idle_heartbeat: 100e6,
    inactive_threshold: 1e9,
  };
  const { name = "", error } = await consume(source, config);
  if (error) throw new Error(error.description);
  await within(first.promise, "the first message");
  for (let i = 0; i < 4; i++) {
    subscription.unsubscribe();
    subscription = client.nc.subscribe(subject, { callback: () => {} });
  }
  subscription.unsubscribe();
  const response = await consume(source, { ...config, deliver_subject: target }, name);
  return { ...response, name };
}

/** Repeats it until the consumer delivers there. Returns its name. */
export async function deliverTo(target: string, source: Source, observer: Client): Promise<string> {
  const manager = await observer.nc.jetstreamManager();
  let done = "";
  const attempt = async () => {
    const { name, error } = await redirect(source, target, observer);
    if (error) throw new Error(error.description);
    const third = await source.publish("third");
    let delivered = 0;
    await until(
      async () => {
        const info = await manager.consumers.info(source.stream, name).catch(() => undefined);
        delivered = info?.delivered.stream_seq ?? 0;
        return info?.push_bound !== true || delivered >= third;
      },
      "the consumer to deliver or to stop",
      observer,
    );
    if (delivered >= third) done = name;
    return done !== "";
  };
  await until(attempt, `a consumer that delivers to ${target}`, observer);
  return done;
}
