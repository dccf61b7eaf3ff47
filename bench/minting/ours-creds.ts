import { createMint, formatCreds, parseSubjectToken } from "../../src/index.ts";
import { timed } from "./timed.ts";

/** This project's mint, with a new key pair and a creds file for each user. */
await timed(({ accountJwt, seed, ttl }) => {
  const mint = createMint({ accountJwt, roles: { browser: { seed, ttl } } });
  return {
    once(name) {
      const { jwt, seed = "" } = mint.issue({ role: "browser", user: parseSubjectToken(name) });
      return formatCreds(jwt, seed);
    },
    jwt: (creds) => String(creds).split("\n")[1] ?? "",
  };
});
