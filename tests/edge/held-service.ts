import { createMint } from "../../src/core/mint.ts";
import { parseSubjectToken } from "../../src/core/subject-token.ts";
import { readKeys } from "../../src/files/exported-keys.ts";
import { createDoor } from "../../src/http/app.ts";
import { listen, peerAddress } from "../../src/service/listen.ts";
import { stopSignal } from "../../src/service/shutdown.ts";

/**
 * The mint with an authentication that waits for a response of another service, at `HELD_BY`. It handles at most
 * `IN_FLIGHT` requests, and at most `BODIES` wait for their bodies. It refuses no request because the machine is slow.
 * `PROXY` is the address of a trusted proxy.
 */

const { HELD_BY = "", IN_FLIGHT = "100", BODIES = "1000", PROXY } = process.env;
const { MINT_KEYS_DIR = "", MINT_PORT = "" } = process.env;
const stopping = stopSignal();
const { mint } = await readKeys(MINT_KEYS_DIR);
const door = createDoor({
  mint: createMint(mint),
  authenticate: async () => {
    if (HELD_BY) await (await fetch(HELD_BY)).text();
    return { issuer: "held", subject: "alice", claims: {} };
  },
  grant: () => ({ role: "browser", user: parseSubjectToken("alice") }),
  servers: { websocket: [], tcp: [] },
  rateLimit: "off",
  overload: { inFlight: Number(IN_FLIGHT), bodies: Number(BODIES), perAddress: 100, wait: 60_000 },
  peerAddress,
  ...(PROXY && { trustedProxies: [PROXY] }),
  stopping,
});
const server = listen({ host: "127.0.0.1", port: Number(MINT_PORT), door, stopping });
console.log(`listens on ${server.port}`);
await server.stopped;
process.exit(0);
