import { cpSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { JetStreamManager } from "nats";
import { readLocalConfig } from "../../src/config/local.ts";
import { type Client, makeEnvironment, within } from "../mint/parts.ts";
import { expectSuccess } from "../recipe/recipe.ts";

/** The role files of docs/roles in a world of their own, and what the tests of them share. */

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

/** The recipe with all role and stream files dropped in, and `more` roles that only a test has. */
export async function makeRoleEnvironment(more: Record<string, unknown> = {}) {
  const environment = await makeEnvironment({ ...roleFiles, ...more });
  try {
    cpSync(join(directory, "streams"), environment.recipe.env.STREAMS_DIR ?? "", { recursive: true });
    expectSuccess(await environment.recipe.push());
    /** A backend that may do anything. */
    const admin = await environment.observer();
    return { ...environment, admin, manager: await admin.nc.jetstreamManager() };
  } catch (error) {
    await environment[Symbol.asyncDispose]();
    throw error;
  }
}

export type RoleEnvironment = Awaited<ReturnType<typeof makeRoleEnvironment>>;

/** A person of a role; the roles that want a room get the lobby. */
export const loginOf = (user: string, role: string) => ({ user, role, tags: { room: "lobby" } });

/** What two people of each role have near each other: literal subjects, the first person's and the second's. */
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

/** JetStream's own subjects besides its API, and an API of a domain: neither a reply nor a consumer may name them. */
export const reserved = [
  "$JS.hub.API.STREAM.DELETE.OTHER",
  "$JS.ACK.TASKS.bob.1.1.1.1.0",
  "$JS.ACK.hub.hash.TASKS.bob.1.1.1.1.0",
  "$JS.FC.OTHER.worker.x",
  "$JS.SNAPSHOT.RESTORE.OTHER.x",
  "$JS.EVENT.ADVISORY.API",
];

/** All that JetStream holds: each stream with its configuration, state, messages and consumers. */
export async function readJetStream(manager: JetStreamManager): Promise<object[]> {
  const all = [];
  for await (const { config, state } of manager.streams.list()) {
    const messages = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(config.name, { seq }).catch(() => undefined);
      messages.push(message ? `${seq} ${message.subject} ${message.string()}` : `${seq} gone`);
    }
    const consumers = [];
    for await (const {
      name,
      config: its,
      delivered,
      ack_floor,
      num_waiting,
      paused,
    } of manager.consumers.list(config.name)) {
      consumers.push({ name, its, delivered, ack_floor, num_waiting, paused });
    }
    all.push({ config, last: state.last_seq, messages, consumers });
  }
  return all;
}

/** Looks again and again until it is so; fails when it never is. */
export async function until(
  isSo: () => Promise<boolean> | boolean,
  what: string,
  client: Client,
): Promise<void> {
  let given = false;
  const look = async () => {
    while (!given && !(await isSo())) {
      await Bun.sleep(10);
      await client.nc.flush();
    }
  };
  await within(look(), what).finally(() => {
    given = true;
  });
}
