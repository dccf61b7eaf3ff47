import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection as CoreConnection } from "@nats-io/nats-core";
import { consumerOpts, type NatsConnection } from "nats.ws";

/**
 * What was said in a room and then what is being said, in order and each once, with no more than the role `room` may
 * do. What was under way when a connection broke is lost: after a reconnect it is asked for again.
 */

const STREAM = "ROOMS";
const subject = (room: string) => `rooms.${room}.*.chat`;

/** A message that a user published. What the server was made to say on the user's subject has no headers. */
const isUserMessage = ({ headers }: { headers?: { has(name: string): boolean } | undefined }) =>
  headers?.has("Nats-Msg-Id") === true;

/** With nats.ws. Its own way on after a gap asks for more than the role gives, and ends the iterator with an error. */
export async function* readWithNatsWs(nc: NatsConnection, room: string) {
  const js = nc.jetstream();
  const open = (next: number) =>
    js.subscribe(
      subject(room),
      consumerOpts()
        .bindStream(STREAM) // or it looks for the stream
        .consumerName(crypto.randomUUID()) // or the filter stands in the payload alone
        .orderedConsumer()
        .inactiveEphemeralThreshold(30_000)
        .startSequence(next),
    );
  let next = 1;
  let messages = await open(next);
  void (async () => {
    for await (const { type } of nc.status()) if (type === "reconnect") messages.unsubscribe();
  })();
  try {
    while (true) {
      try {
        for await (const message of messages) {
          next = message.seq + 1;
          if (isUserMessage(message)) yield message;
        }
      } catch {
        // A gap.
      }
      if (nc.isClosed()) return;
      messages = await open(next);
    }
  } finally {
    messages.unsubscribe();
  }
}

/** With @nats-io/nats-core and @nats-io/jetstream. */
export async function* readWithJetstream(nc: CoreConnection, room: string) {
  const js = jetstream(nc);
  const open = async (next: number) => {
    // A text, no list: with a list the filter stands in the payload alone.
    const options = { filter_subjects: subject(room), opt_start_seq: next };
    return (await js.consumers.getPushConsumer(STREAM, options)).consume();
  };
  let next = 1;
  let messages = await open(next);
  void (async () => {
    for await (const { type } of nc.status()) if (type === "reconnect") messages.stop();
  })();
  // Its watch over heartbeats goes on otherwise.
  void nc.closed().then(() => messages.stop());
  try {
    while (true) {
      for await (const message of messages) {
        next = message.seq + 1;
        if (isUserMessage(message)) yield message;
      }
      if (nc.isClosed()) return;
      messages = await open(next);
    }
  } finally {
    messages.stop();
  }
}
