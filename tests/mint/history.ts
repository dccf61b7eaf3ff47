import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection as CoreConnection } from "@nats-io/nats-core";
import { consumerOpts, type NatsConnection } from "nats.ws";

/**
 * The stored messages of a room and then the new ones, in order and each once, with the permissions of the role `room`.
 * Messages in transit when a connection breaks are lost: after a reconnect they are requested again.
 */

const STREAM = "ROOMS";
const subject = (room: string) => `rooms.${room}.*.chat`;

/** A message that a user published. A message that the server was made to send to the user's subject has no headers. */
const isUserMessage = ({ headers }: { headers?: { has(name: string): boolean } | undefined }) =>
  headers?.has("Nats-Msg-Id") === true;

/** With nats.ws. Its own recovery after a gap needs more permissions than the role has, and ends the iterator with an error. */
export async function* readWithNatsWs(nc: NatsConnection, room: string) {
  const js = nc.jetstream();
  const open = (next: number) =>
    js.subscribe(
      subject(room),
      consumerOpts()
        .bindStream(STREAM) // otherwise it looks the stream up
        .consumerName(crypto.randomUUID()) // otherwise the filter is in the payload only
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
    // A string, not a list: with a list the filter is in the payload only.
    const options = { filter_subjects: subject(room), opt_start_seq: next };
    return (await js.consumers.getPushConsumer(STREAM, options)).consume();
  };
  let next = 1;
  let messages = await open(next);
  void (async () => {
    for await (const { type } of nc.status()) if (type === "reconnect") messages.stop();
  })();
  // Otherwise its heartbeat monitor goes on.
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
