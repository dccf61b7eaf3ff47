import { bareJwt, bareSign } from "../bare.ts";
import { timed } from "./timed.ts";

/** The signature of a user JWT alone. */
await timed((state) => {
  const jwt = bareJwt(state)("user", state.publicKeys[0] ?? "");
  const signed = Buffer.from(jwt.slice(0, jwt.lastIndexOf(".")));
  const sign = bareSign(state);
  return { once: () => sign(signed), jwt: () => jwt };
});
