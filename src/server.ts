import about from "../package.json" with { type: "json" };
import { devAuthentication } from "./auth/dev.ts";
import { makeAuthentication } from "./authentication.ts";
import { readMintConfig } from "./config.ts";
import { ConfigError } from "./core/errors.ts";
import { parseSubjectToken } from "./core/subject-token.ts";
import { createApp } from "./http/app.ts";
import { addDemo } from "./http/demo.ts";
import { watchKeys } from "./keys/watch.ts";
import { checkPort, listen, peerAddress, stopSignal } from "./listen.ts";
import { createAudit } from "./telemetry/audit.ts";
import { createLog, logCrashes, logUnexpected } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";

/** The mint as a service: wires its parts together. */

const { version } = about;
const config = await orEnd(readMintConfig);
await orEnd(() => checkPort(config.host, config.port));
const stopping = stopSignal();

const logging = createLog();
logCrashes(logging);
const { log } = logging;
const { audit, close: closeAudit } = createAudit(log);
const metrics = createMetrics({
  version,
  keyAges: () => authentication.keyAges(),
  droppedLines: logging.dropped,
});

const authentication = await orEnd(() => makeAuthentication(config, { log, reloaded: metrics.reloaded }));
const keys = await watchKeys(config.keysDir, {
  onLoaded: (mint, path) => {
    log.info(`keys ${path} loaded, roles: ${mint.roles.join(", ")}`);
    metrics.keysLoaded();
  },
  onRefused: ({ message }) => {
    log.warn(`no new keys: ${message}`);
    metrics.keysRefused();
  },
});

const { authenticate, grant } = authentication;
const { servers, allowedOrigins, rateLimit, trustedProxies } = config;
const app = createApp({
  mint: keys.mint,
  authenticate,
  grant,
  servers,
  allowedOrigins,
  rateLimit,
  trustedProxies,
  peerAddress,
  stopping,
  onDecision: (decision) => {
    audit(decision);
    metrics.decided(decision);
  },
  onAnswer: metrics.answered,
  onError: logUnexpected(log),
  metrics: metrics.render,
  document: { version, login: config.auth },
});
if (config.demoDir && config.auth.includes("dev")) {
  // Whoever may ask for a credential with a name may have the page.
  const dev = devAuthentication({ defaultRole: config.defaultRole, hosts: config.devHosts });
  const check = (request: Request) => dev.authenticate(request, { user: parseSubjectToken("page") });
  addDemo(app, { dir: config.demoDir, websocket: servers.websocket, check });
}
const server = listen({ host: config.host, port: config.port, app, stopping });
log.info(`mint listens on http://${config.host}:${config.port}`);

await server.stopped;
authentication.close();
keys.close();
closeAudit();
await logging.close();
process.exit(0);

/** Wrong settings end it, in words. */
async function orEnd<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}
