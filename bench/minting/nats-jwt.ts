import { encodeUser, fromPublic, fromSeed } from "@nats-io/jwt";
import { timed } from "./timed.ts";

/** `@nats-io/jwt` as in its documentation: its keys sign in JavaScript. */
await timed(({ account, seed, ttl }) => {
  const signer = fromSeed(Buffer.from(seed));
  return {
    once: (name, publicKey) =>
      encodeUser(
        name,
        fromPublic(publicKey),
        account,
        {},
        { scopedUser: true, signer, exp: Math.floor(Date.now() / 1000) + ttl },
      ),
  };
});
