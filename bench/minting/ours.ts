import { createMint, parseSubjectToken, parseUserPublicKey } from "../../src/index.ts";
import { timed } from "./timed.ts";

/** This project's mint, for the client's own public key, which is validated each time, as in a request. */
await timed(({ accountJwt, seed, ttl }) => {
  const mint = createMint({ accountJwt, roles: { browser: { seed, ttl } } });
  return {
    once: (name, publicKey) =>
      mint.issue({ role: "browser", user: parseSubjectToken(name) }, parseUserPublicKey(publicKey)).jwt,
  };
});
