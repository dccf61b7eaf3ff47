import about from "../../package.json" with { type: "json" };
import { devAuthentication } from "../auth/dev.ts";
import type { MintConfig } from "../config/config.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { watchKeys } from "../files/watch-keys.ts";
import { createApp } from "../http/app.ts";
import type { Page } from "../http/edge/envelope.ts";
import { createAudit } from "../telemetry/audit.ts";
import { createLog, logCrashes, logUnexpected } from "../telemetry/log.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { makeAuthentication } from "./auth-methods.ts";
import { demoPages } from "./demo-page.ts";
import { listen, peerAddress } from "./listen.ts";
import type { Worker } from "./workers/worker.ts";

/** One process of the service: wires its parts together. */

const { version } = about;

export interface ServeOptions {
  readonly config: MintConfig;
  /** Ends it, when what has begun is finished. */
  readonly stopping: AbortSignal;
  /** Its place among several. */
  readonly worker?: Worker | undefined;
}

/**
 * Serves until it is told to stop.
 * @throws {ConfigError} when a file that the settings name can't be used
 */
export async function serve({ config, stopping, worker }: ServeOptions): Promise<void> {
  const logging = createLog(worker && { fields: { worker: worker.number } });
  logCrashes(logging);
  const { log } = logging;
  const { audit, close: closeAudit } = createAudit({ info: logging.record });
  const metrics = createMetrics({
    version,
    keyAges: () => authentication.keyAges(),
    droppedLines: logging.dropped,
  });

  const authentication = await makeAuthentication(config, { log, reloaded: metrics.reloaded });
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
    metrics: worker?.aggregate ?? metrics.render,
    document: { version, login: config.auth },
    pages: demo(config),
  });
  const { host, port } = config;
  const server = listen({ host, port, app, stopping, shared: worker !== undefined });
  if (worker) worker.ready(metrics.snapshot);
  else log.info(`mint listens on http://${host}:${port}`);

  await server.stopped;
  authentication.close();
  keys.close();
  closeAudit();
  await logging.close();
}

/** The demo page, where it may be: whoever may ask for a credential with a name may have it. */
function demo({ auth, demoDir, defaultRole, devHosts, servers }: MintConfig): Record<string, Page> {
  if (!demoDir || !auth.includes("dev")) return {};
  const dev = devAuthentication({ defaultRole, hosts: devHosts });
  const check = (request: Request) => dev.authenticate(request, { user: parseSubjectToken("page") });
  return demoPages({ dir: demoDir, websocket: servers.websocket, check });
}
