import { encodeUser, fromPublic, fromSeed, type KeyPair } from "@nats-io/jwt";
import { bareSign } from "../bare.ts";
import { timed } from "./timed.ts";

/** `@nats-io/jwt` with a key that signs with the platform's Ed25519, and derives its parts once. */
await timed((state) => {
  const key = fromSeed(Buffer.from(state.seed));
  const publicKey = key.getPublicKey();
  const privateKey = key.getPrivateKey();
  const signer: KeyPair = Object.assign(Object.create(key), {
    getPublicKey: () => publicKey,
    getPrivateKey: () => privateKey,
    sign: bareSign(state),
  });
  return {
    once: (name, userKey) =>
      encodeUser(
        name,
        fromPublic(userKey),
        state.account,
        {},
        { scopedUser: true, signer, exp: Math.floor(Date.now() / 1000) + state.ttl },
      ),
  };
});
