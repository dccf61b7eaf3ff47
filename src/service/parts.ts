import about from "../../package.json" with { type: "json" };
import type { MintConfig } from "../config/mint.ts";
import type { Decision } from "../core/decision.ts";
import { type RateLimiter, rateLimiter } from "../core/rate-limit.ts";
import { type WatchedKeys, watchKeys } from "../files/watch-keys.ts";
import { createAudit } from "../telemetry/audit.ts";
import { createLog, logCrashes, type ServiceLog } from "../telemetry/log.ts";
import { createMetrics, type Metrics } from "../telemetry/metrics.ts";
import { quote } from "../util/quote.ts";
import { type AuthMethods, makeAuthMethods, type NamedRole } from "./auth-methods.ts";

export const { version } = about;

/** The parts that all doors of one process share. A door never closes one of them. */
export interface Parts extends AsyncDisposable {
  readonly log: ServiceLog["log"];
  readonly metrics: Metrics;
  readonly keys: Pick<WatchedKeys, "mint">;
  readonly methods: AuthMethods;
  /** One for all doors: a caller has the same limit at each of them, and all together. */
  readonly limits: RateLimiter;
  /** Reports a decision to audit and metrics. */
  readonly onDecision: (decision: Decision) => void;
}

/**
 * Makes the parts, each from those before it. They are closed in the opposite order, so that the log is closed last.
 * @param worker the process's number among several, for the log
 * @throws {ConfigError} when a file that the configuration names can't be used
 */
export async function makeParts(config: MintConfig, worker?: number): Promise<Parts> {
  await using stack = new AsyncDisposableStack();

  const logging = stack.adopt(createLog(worker === undefined ? undefined : { fields: { worker } }), (part) =>
    part.close(),
  );
  logCrashes(logging);
  const { log } = logging;
  const { audit } = stack.adopt(createAudit({ info: logging.record }), (part) => part.close());
  const metrics = createMetrics({
    version,
    keyAges: () => methods.keyAges(),
    droppedLines: logging.dropped,
  });
  /** The roles that have keys; undefined as long as no keys are loaded. */
  let roles: readonly string[] | undefined;
  const warnOfRoles = warnOnce(log, () => rolesWithoutKey(methods.namedRoles(), roles));
  const methods = stack.use(
    await makeAuthMethods(config, {
      log,
      reloaded(what, result) {
        metrics.reloaded(what, result);
        if (result === "loaded" && roles) warnOfRoles();
      },
    }),
  );
  const keys = stack.adopt(
    await watchKeys(config.keysDir, {
      onLoaded: (mint, path) => {
        log.info(`keys ${path} loaded, roles: ${mint.roles.join(", ")}`);
        metrics.keysLoaded();
        roles = mint.roles;
        warnOfRoles();
      },
      onUnusableRole: ({ message }) => log.warn(`left out, since no credential of it would work: ${message}`),
      onRefused: ({ message }) => {
        log.warn(`no new keys: ${message}`);
        metrics.keysRefused();
      },
    }),
    (part) => part.close(),
  );

  const parts = stack.move();
  return {
    log,
    metrics,
    keys,
    methods,
    limits: rateLimiter(config.rateLimit),
    onDecision(decision) {
      audit(decision);
      metrics.decided(decision);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function rolesWithoutKey(named: readonly NamedRole[], roles: readonly string[] = []): string[] {
  return named
    .filter(({ role }) => !roles.includes(role))
    .map(
      ({ role, place }) =>
        `${place}: the mint has no key for ${quote(role)}, so it is refused. Add a role file of this name, or change it here`,
    );
}

/** Logs warnings: each when it appears, and not again for as long as it stays. */
function warnOnce(log: Parts["log"], find: () => readonly string[]): () => void {
  let known: readonly string[] = [];
  return () => {
    const found = find();
    for (const warning of found) if (!known.includes(warning)) log.warn(warning);
    known = found;
  };
}
