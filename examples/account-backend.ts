/**
 * A backend that signs its own short-lived credentials with the account's key, and replies to requests of pages with the
 * role `page`. Run `npm start`, then
 * `npx bun --env-file=fs/nats-export/secrets/.env.account examples/account-backend.ts`, or the same with `node` from
 * version 22.18 on. NATS_URL is the server's URL, if it is not the default. In your own code, import from
 * "nats-mint/node".
 */
import { encodeUser, fromPublic, fromSeed } from "@nats-io/jwt";
import { connect } from "nats";
import { type CredentialSource, liveCredentials } from "../src/node/index.ts";

/** Seconds. A short lifetime limits the use of a credential; the connection lasts. */
const LIFETIME = 600;

const { NATS_ACCOUNT_KEY, NATS_ACCOUNT_SECRET, NATS_URL = "nats://127.0.0.1:4222" } = process.env;
if (!NATS_ACCOUNT_KEY || !NATS_ACCOUNT_SECRET)
  throw new Error("NATS_ACCOUNT_KEY or NATS_ACCOUNT_SECRET is missing: pass --env-file=….env.account");
const account = fromPublic(NATS_ACCOUNT_KEY);
const signer = fromSeed(new TextEncoder().encode(NATS_ACCOUNT_SECRET));

/** A user without permissions has none. */
const permissions = {
  pub: { allow: ["reply.*.>", "tell.*.>"], deny: [] },
  sub: { allow: ["ask.*.>"], deny: [] },
};

const sign: CredentialSource = async ({ publicKey }) => {
  const exp = Math.floor(Date.now() / 1000) + LIFETIME;
  const jwt = await encodeUser("clock", fromPublic(publicKey), account, permissions, { signer, exp });
  return { jwt, servers: [NATS_URL] };
};

const live = await liveCredentials(sign);
const nc = await connect(await live.tcpOptions());
nc.subscribe("ask.*.time", {
  queue: "clock",
  callback: (_, question) => {
    const user = question.subject.split(".")[1];
    if (question.reply?.startsWith(`reply.${user}.`)) question.respond(new Date().toISOString());
  },
});
await nc.flush();
console.log(`connected to ${NATS_URL}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await nc.drain();
    live.close();
  });
}
