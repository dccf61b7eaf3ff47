import { cpSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { JetStreamManager } from "nats";
import { readLocalConfig } from "../../src/config/local.ts";
import { type Client, makeEnvironment, within } from "../mint/parts.ts";
import { expectSuccess } from "../recipe/recipe.ts";

/** The environment of the role files of docs/roles, and what their tests share. */

const directory = join(readLocalConfig().projectDir, "docs/roles");

/** Each role file's text, by the role's name. */
export const roleFiles = readFiles(directory);
/** Each stream file's text, by the stream's name. */
export const streamFiles = readFiles(join(directory, "streams"));

function readFiles(from: string): Record<string, string> {
  const files = readdirSync(from).filter((file) => file.endsWith(".json"));
  return Object.fromEntries(
    files.map((file) => [basename(file, ".json"), readFileSync(join(from, file), "utf8")]),
  );
}

/** The recipe with all role and stream files, and `more` roles for one test. */
export async function makeRoleEnvironment(more: Record<string, unknown> = {}) {
  const environment = await makeEnvironment({ ...roleFiles, ...more });
  try {
    cpSync(join(directory, "streams"), environment.recipe.env.STREAMS_DIR ?? "", { recursive: true });
    expectSuccess(await environment.recipe.push());
    /** A backend with all permissions. */
    const admin = await environment.observer();
    return { ...environment, admin, manager: await admin.nc.jetstreamManager() };
  } catch (error) {
    await environment[Symbol.asyncDispose]();
    throw error;
  }
}

export type RoleEnvironment = Awaited<ReturnType<typeof makeRoleEnvironment>>;

/** The request for a credential with a role; roles that need a room get the lobby. */
export const loginOf = (user: string, role: string) => ({ user, role, tags: { room: "lobby" } });

/** The subjects of one user in all roles, without wildcards. */
export const subjectsOf = (user: string) => [
  `users.${user}.x`,
  `_INBOX_${user}.x`,
  `talk.lobby.${user}.x`,
  `orders.ask.${user}.x`,
  `orders.reply.${user}.x`,
  `$KV.preferences.${user}.x`,
  `tasks.${user}.x`,
  `deliver.tasks.${user}`,
  `done.tasks.${user}`,
];

/**
 * Every call of JetStream's API, for a stream, a consumer and a subject in it: server/jetstream_api.go of 2.15.3.
 */
export const apiCalls = (stream: string, consumer: string, subject: string) => [
  "INFO",
  `STREAM.CREATE.${stream}`,
  `STREAM.UPDATE.${stream}`,
  "STREAM.NAMES",
  "STREAM.LIST",
  `STREAM.INFO.${stream}`,
  `STREAM.DELETE.${stream}`,
  `STREAM.PURGE.${stream}`,
  `STREAM.SNAPSHOT.${stream}`,
  `STREAM.RESTORE.${stream}`,
  `STREAM.MSG.GET.${stream}`,
  `STREAM.MSG.DELETE.${stream}`,
  `STREAM.LEADER.STEPDOWN.${stream}`,
  `STREAM.PEER.REMOVE.${stream}`,
  `STREAM.PEER.EVACUATE.${stream}`,
  `STREAM.CANCEL_MOVE.${stream}`,
  `DIRECT.GET.${stream}`,
  `DIRECT.GET.${stream}.${subject}`,
  `CONSUMER.CREATE.${stream}`,
  `CONSUMER.CREATE.${stream}.${consumer}`,
  `CONSUMER.CREATE.${stream}.${consumer}.${subject}`,
  `CONSUMER.DURABLE.CREATE.${stream}.${consumer}`,
  `CONSUMER.NAMES.${stream}`,
  `CONSUMER.LIST.${stream}`,
  `CONSUMER.INFO.${stream}.${consumer}`,
  `CONSUMER.DELETE.${stream}.${consumer}`,
  `CONSUMER.PAUSE.${stream}.${consumer}`,
  `CONSUMER.RESET.${stream}.${consumer}`,
  `CONSUMER.UNPIN.${stream}.${consumer}`,
  `CONSUMER.MSG.NEXT.${stream}.${consumer}`,
  `CONSUMER.LEADER.STEPDOWN.${stream}.${consumer}`,
  `CONSUMER.PEER.REMOVE.${stream}.${consumer}`,
  `CONSUMER.PEER.EVACUATE.${stream}.${consumer}`,
  "META.LEADER.STEPDOWN",
  "META.RESCUE",
  "SERVER.REMOVE",
  "SERVER.EVACUATE",
  "ACCOUNT.PURGE.A",
  `ACCOUNT.STREAM.MOVE.A.${stream}`,
  `ACCOUNT.STREAM.CANCEL_MOVE.A.${stream}`,
];

/** JetStream's own subjects besides its API, and an API of a domain: refused as reply subject and as deliver subject. */
export const reserved = [
  "$JS.hub.API.STREAM.DELETE.OTHER",
  "$JS.ACK.TASKS.bob.1.1.1.1.0",
  "$JS.ACK.hub.hash.TASKS.bob.1.1.1.1.0",
  "$JS.FC.OTHER.worker.x",
  "$JS.SNAPSHOT.RESTORE.OTHER.x",
  "$JS.EVENT.ADVISORY.API",
];

/** The whole state of JetStream: each stream with its configuration, messages and consumers. */
export async function readJetStream(manager: JetStreamManager): Promise<object[]> {
  const all = [];
  for await (const { config, state } of manager.streams.list()) {
    const messages = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(config.name, { seq }).catch(() => undefined);
      messages.push(message ? `${seq} ${message.subject} ${message.string()}` : `${seq} deleted`);
    }
    const consumers = [];
    for await (const {
      name,
      config: consumerConfig,
      delivered,
      ack_floor,
      num_waiting,
      paused,
    } of manager.consumers.list(config.name)) {
      consumers.push({ name, consumerConfig, delivered, ack_floor, num_waiting, paused });
    }
    all.push({ config, last: state.last_seq, messages, consumers });
  }
  return all;
}

/** Checks a condition repeatedly until it is true. Fails after a timeout. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  client: Client,
): Promise<void> {
  let isOver = false;
  const poll = async () => {
    while (!isOver && !(await condition())) {
      await Bun.sleep(10);
      await client.nc.flush();
    }
  };
  await within(poll(), what).finally(() => {
    isOver = true;
  });
}
