import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { jwtAuthenticator, type NatsConnection, wsconnect } from "@nats-io/nats-core";
import * as natsWs from "nats.ws";

/** The two clients, unmodified, behind one interface. */

export type ClientName = "nats.ws" | "nats-core";

/** Messages that are requested in advance: with the default of 100, a slow connection would limit the rate to some 600/s. */
const WINDOW = { max_messages: 1000 };

export type Take = (text: string) => void;

export interface Client {
  connect(options: object): Promise<NatsConnection>;
  authenticator(jwt: () => string, seed: () => Uint8Array): unknown;
  /** Receives a stream by an ordered consumer. */
  ordered(nc: NatsConnection, stream: string, take: Take): Promise<void>;
  /** Receives a stream by a durable consumer, and acknowledges. */
  durable(nc: NatsConnection, stream: string, name: string, take: Take): Promise<void>;
  /** Watches a bucket. */
  watch(nc: NatsConnection, bucket: string, take: Take): Promise<void>;
}

export const clients: Record<ClientName, Client> = {
  "nats.ws": {
    connect: async (options) => (await natsWs.connect(options)) as unknown as NatsConnection,
    authenticator: natsWs.jwtAuthenticator,
    async ordered(nc, stream, take) {
      const consumer = await older(nc).jetstream().consumers.get(stream);
      await consumer.consume({ ...WINDOW, callback: (message) => take(message.string()) });
    },
    async durable(nc, stream, name, take) {
      const consumer = await older(nc).jetstream().consumers.get(stream, name);
      await consumer.consume({
        ...WINDOW,
        callback: (message) => {
          take(message.string());
          message.ack();
        },
      });
    },
    async watch(nc, bucket, take) {
      const kv = await older(nc).jetstream().views.kv(bucket);
      const changes = await kv.watch();
      void each(changes, (entry) => take(entry.string()));
    },
  },

  "nats-core": {
    connect: (options) => wsconnect(options),
    authenticator: jwtAuthenticator,
    async ordered(nc, stream, take) {
      const consumer = await jetstream(nc).consumers.get(stream);
      await consumer.consume({ ...WINDOW, callback: (message) => take(message.string()) });
    },
    async durable(nc, stream, name, take) {
      const consumer = await jetstream(nc).consumers.get(stream, name);
      await consumer.consume({
        ...WINDOW,
        callback: (message) => {
          take(message.string());
          message.ack();
        },
      });
    },
    async watch(nc, bucket, take) {
      const kv = await new Kvm(nc).open(bucket);
      const changes = await kv.watch();
      void each(changes, (entry) => take(entry.string()));
    },
  },
};

const older = (nc: NatsConnection) => nc as unknown as natsWs.NatsConnection;

/** Calls `act` with each item. */
export async function each<T>(items: AsyncIterable<T>, act: (item: T) => void): Promise<void> {
  for await (const item of items) act(item);
}
