import { once } from "node:events";
import { createServer } from "node:net";
import { devAuthentication } from "./auth/dev.ts";
import { type MintConfig, readMintConfig } from "./config.ts";
import { ConfigError } from "./core/errors.ts";
import { parseSubjectToken } from "./core/subject-token.ts";
import { createApp } from "./http/app.ts";
import { addDemo } from "./http/demo.ts";
import { watchKeys } from "./keys/watch.ts";

/** The mint as a service: wires its parts together. */

const config = readConfig();
await probe(config.host, config.port);
const { authenticate, grant } = devAuthentication({
  defaultRole: config.defaultRole,
  hosts: config.devHosts,
});
console.warn("warning: MINT_AUTH=dev believes every caller; it is for your own machine only");

const keys = await watchKeys(config.keysDir, {
  onLoaded: (mint, version) => console.log(`keys ${version} loaded, roles: ${mint.roles.join(", ")}`),
  onRefused: (error) => console.warn(`warning: no new keys: ${error.message}`),
});
const { servers, allowedOrigins } = config;
const app = createApp({ mint: keys.mint, authenticate, grant, servers, allowedOrigins });
if (config.demoDir && config.auth.includes("dev")) {
  // Whoever may ask for a credential may have the page.
  const check = (request: Request) => authenticate(request, { user: parseSubjectToken("page") });
  addDemo(app, { dir: config.demoDir, websocket: servers.websocket, check });
}
const server = Bun.serve({
  hostname: config.host,
  port: config.port,
  // Otherwise a second process could take the same port without an error.
  reusePort: false,
  // Seconds; a client that is slower than this with its request has its connection closed.
  idleTimeout: 10,
  // The app refuses long bodies itself, as a problem; Bun would do it without a word.
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  development: false,
  // HTTP/1.0, which health checks still speak, needs no Host: Bun's URL is then a bare path.
  fetch: (request) =>
    app.fetch(request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request),
});
console.log(`mint listens on http://${config.host}:${config.port}`);

process.once("SIGTERM", stop);
process.once("SIGINT", stop);

function readConfig(): MintConfig {
  try {
    return readMintConfig();
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message);
    throw error;
  }
}

/** Says why the port can't be had; Bun calls every reason "in use". */
async function probe(host: string, port: number): Promise<void> {
  const listener = createServer().listen({ host, port });
  try {
    await once(listener, "listening");
    await once(listener.close(), "close");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") fail(`port ${port} on ${host} is in use; MINT_PORT chooses another`);
    fail(`can't listen on ${host}, port ${port}: ${message}; see MINT_HOST and MINT_PORT`);
  }
}

/** Finishes what has begun, but waits for nobody. */
async function stop(): Promise<void> {
  keys.close();
  await Promise.race([server.stop(), Bun.sleep(1000)]);
  process.exit(0);
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
