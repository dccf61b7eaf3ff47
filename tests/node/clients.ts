import { wsconnect } from "@nats-io/nats-core";
import * as transportNode from "@nats-io/transport-node";
import * as nats from "nats";
import * as natsWs from "nats.ws";
import type { BackendCredentials } from "../../src/node/index.ts";

/** The clients for backends, unmodified, each with the options that it takes. */
export const clients = {
  nats: async (live: BackendCredentials) => nats.connect(await live.tcpOptions()),
  "transport-node": async (live: BackendCredentials) =>
    (await transportNode.connect(await live.tcpOptions())) as unknown as nats.NatsConnection,
  "nats-core": async (live: BackendCredentials) =>
    (await wsconnect(live.connectOptions())) as unknown as nats.NatsConnection,
  "nats.ws": async (live: BackendCredentials) =>
    (await natsWs.connect(live.connectOptions())) as unknown as nats.NatsConnection,
};

export type ClientName = keyof typeof clients;
export const CLIENTS = Object.keys(clients) as ClientName[];
