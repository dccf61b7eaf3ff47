import { parseArgs } from "node:util";
import type { NatsConnection } from "nats";
import { createUser } from "nkeys.js";
import { readClientConfig } from "./config/client.ts";
import type { CredsResponse } from "./http/creds/response.ts";
import { findRunningMint } from "./local/pid-file.ts";
import { withTimeout } from "./util/timeout.ts";

/**
 * The example client, `npm run client -- --user alice`: requests a credential, connects with it, and checks what the
 * credential allows and denies. Exits with 1 at the first unexpected result.
 */

const usage = "usage: npm run client -- --user NAME [--role ROLE]";
/** Milliseconds for each step. */
const TIMEOUT = 5000;

try {
  const { user, role } = readArguments();
  const config = readClientConfig();
  const key = createUser(); // its private half is not sent
  const mintUrl = (!config.namesMint && findRunningMint(config)) || config.mintUrl;
  const credentials = await fetchCredentials(mintUrl, {
    user,
    role: role ?? (config.useWebSocket ? "browser" : "service"),
    public_key: key.getPublicKey(),
  });
  const { connect, jwtAuthenticator } = await (config.useWebSocket ? import("nats.ws") : import("nats"));
  const scheme = config.useWebSocket ? /^wss?:/ : /^(nats|tls):/;
  const servers = credentials.servers.filter((server) => scheme.test(server));
  if (servers.length === 0) {
    throw new Error(
      `role ${credentials.role} may not connect this way: set USE_WEBSOCKET=${!config.useWebSocket}`,
    );
  }
  const nc = (await connect({
    servers,
    authenticator: jwtAuthenticator(credentials.jwt, key.getSeed()),
    ...(credentials.inbox_prefix !== undefined && { inboxPrefix: credentials.inbox_prefix }),
    timeout: TIMEOUT,
  })) as NatsConnection;
  console.log(`connected to ${nc.getServer()} as ${credentials.user}, role ${credentials.role}`);

  const [own, other] = subjects(credentials);
  await publishAndSubscribe(nc, `${own}.greetings`);
  await requestAndReply(nc, `${own}.echo`);
  await expectPublishDenied(nc, `${other}.greetings`);
  await expectSubscribeDenied(nc, `${other}.greetings`);
  await nc.close();
} catch (error) {
  console.error(`client: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
process.exit(0);

function readArguments(): { user: string; role: string | undefined } {
  try {
    const options = { user: { type: "string" }, role: { type: "string" } } as const;
    const { user, role } = parseArgs({ options, strict: true }).values;
    if (user) return { user, role };
  } catch {
    // An unknown option: the usage is the error.
  }
  throw new Error(usage);
}

async function fetchCredentials(mintUrl: string, request: Record<string, string>): Promise<CredsResponse> {
  const response = await fetch(`${mintUrl}/creds`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(TIMEOUT),
  }).catch((error) => {
    throw new Error(
      `can't reach the mint at ${mintUrl} (${error.message}): start it with docker compose up, or npm start`,
    );
  });
  if (!response.ok) {
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    const hint =
      code === "unauthorized" ? ". This client sends no proof of identity: it needs MINT_AUTH=dev" : "";
    throw new Error(`the mint responded ${response.status} ${code}: ${detail}${hint}`);
  }
  return (await response.json()) as CredsResponse;
}

/** A subject prefix that this credential permits, and the same prefix of another user. */
function subjects({ user, permissions }: CredsResponse): [own: string, other: string] {
  const own = permissions.pub?.allow?.find((subject) => subject.endsWith(`.${user}.>`))?.slice(0, -2);
  if (!own) throw new Error(`this role grants no subjects of the user's own: ${JSON.stringify(permissions)}`);
  return [own, own.slice(0, -user.length) + (user === "bob" ? "alice" : "bob")];
}

async function publishAndSubscribe(nc: NatsConnection, subject: string): Promise<void> {
  const subscription = nc.subscribe(subject, { max: 1 });
  nc.publish(subject, "hello");
  for await (const received of within(subscription, `no message arrived on ${subject}`)) {
    console.log(`published and received on ${subject}: ${received.string()}`);
  }
}

async function requestAndReply(nc: NatsConnection, subject: string): Promise<void> {
  nc.subscribe(subject, { max: 1, callback: (_, message) => message.respond(message.data) });
  const reply = await nc.request(subject, "ping", { timeout: TIMEOUT });
  console.log(`requested and got a reply on ${subject}: ${reply.string()}`);
}

/** The server reports a denied publish asynchronously, in the connection's status. */
async function expectPublishDenied(nc: NatsConnection, subject: string): Promise<void> {
  const status = nc.status();
  nc.publish(subject, "to be denied");
  for await (const event of within(status, `the server did not deny publishing to ${subject}`)) {
    if (event.permissionContext?.operation === "publish" && event.permissionContext.subject === subject)
      break;
  }
  console.log(`denied, as it should be: publish to ${subject}`);
}

async function expectSubscribeDenied(nc: NatsConnection, subject: string): Promise<void> {
  const denied = Promise.withResolvers<void>();
  nc.subscribe(subject, {
    callback: (error) => {
      if (error?.code === "PERMISSIONS_VIOLATION") denied.resolve();
      else denied.reject(error ?? new Error(`received a message on ${subject}, which is another user's`));
    },
  });
  await orTimeout(denied.promise, `the server did not deny subscribing to ${subject}`);
  console.log(`denied, as it should be: subscribe to ${subject}`);
}

async function* within<T>(source: AsyncIterable<T>, message: string): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  while (true) {
    const next = await orTimeout(iterator.next(), message);
    if (next.done) return;
    yield next.value;
  }
}

function orTimeout<T>(work: Promise<T>, message: string): Promise<T> {
  return withTimeout(work, TIMEOUT, () => {
    throw new Error(message);
  });
}
