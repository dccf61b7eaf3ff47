import { bareJwt } from "../bare.ts";
import { timed } from "./timed.ts";

/** The minimum work for a user JWT. */
await timed((state) => ({ once: bareJwt(state) }));
