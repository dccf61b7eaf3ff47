import type { MintConfig } from "../config/mint.ts";
import type { AuthMethodName } from "../core/identity.ts";
import { parseSubjectToken } from "../core/subject-token.ts";
import { createDoor } from "../http/app.ts";
import { devAuthentication } from "../http/dev.ts";
import type { Route } from "../http/routes.ts";
import { logUnexpected } from "../telemetry/log.ts";
import { aboutRoute } from "./about-page.ts";
import { demoRoutes } from "./demo-page.ts";
import { listen, listensOn, peerAddress } from "./listen.ts";
import { originLogger } from "./origin-log.ts";
import { makeParts, type Parts, version } from "./parts.ts";
import type { Worker } from "./workers/worker.ts";

/** One process of the service, with HTTP as its door. */

export interface ServeOptions {
  readonly config: MintConfig;
  /** When aborted, the service ends after the requests that have begun. */
  readonly stopping: AbortSignal;
  /** Present when it is one of several processes. */
  readonly worker?: Worker | undefined;
}

/**
 * Serves until `stopping` is aborted.
 * @throws {ConfigError} when a file that the configuration names can't be used
 */
export async function serve({ config, stopping, worker }: ServeOptions): Promise<void> {
  await using parts = await makeParts(config, worker?.number);
  const { log, metrics } = parts;
  const { host, port } = config;
  const door = makeDoor(config, parts, { stopping, render: worker?.aggregate ?? metrics.render });
  const server = listen({ host, port, door, stopping, shared: worker !== undefined });
  if (worker) worker.ready(metrics.snapshot);
  else log.info(listensOn(config));
  await server.stopped;
}

function makeDoor(
  config: MintConfig,
  { log, metrics, keys, methods, limits, onDecision }: Parts,
  { stopping, render }: { readonly stopping: AbortSignal; readonly render: Parts["metrics"]["render"] },
) {
  const { authenticateToken, authenticate, grant } = methods;
  const { servers, allowedOrigins, allowedHeaders, trustedProxies } = config;
  return createDoor({
    mint: keys.mint,
    ...(authenticateToken && { authenticateToken }),
    ...(authenticate && { authenticate }),
    grant,
    servers,
    allowedOrigins,
    ...(config.auth.dev && { onOriginRefused: originLogger(log, config.configuredOrigins) }),
    allowedHeaders,
    rateLimit: limits,
    trustedProxies,
    peerAddress,
    stopping,
    onDecision,
    onResponse: metrics.handled,
    onError: logUnexpected(log),
    metrics: render,
    document: { version, login: Object.keys(config.auth) as AuthMethodName[] },
    routes: config.auth.dev ? demo(config) : [aboutRoute(Object.keys(config.auth) as AuthMethodName[])],
  });
}

/** The demo page, served with `dev` only, to those requests that `dev` would also accept for a credential. */
function demo({ auth, servers }: MintConfig): readonly Route[] {
  if (auth.dev?.demoDir === undefined) return [];
  const { demoDir, ...options } = auth.dev;
  const dev = devAuthentication(options);
  const check = (request: Request) => dev.authenticate(request, { user: parseSubjectToken("page") });
  return demoRoutes({ dir: demoDir, websocket: servers.websocket, check });
}
