import { bareJwt } from "../bare.ts";
import { timed } from "./timed.ts";

/** The least that a user JWT takes. */
await timed((state) => ({ once: bareJwt(state) }));
