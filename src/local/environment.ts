import { join } from "node:path";
import type { LocalConfig } from "../config/local.ts";
import { inBrackets } from "../config/shared.ts";

/** The variables that docker-compose.yaml sets for its services, with the paths and addresses of this machine. */
export function serviceEnvironment(config: LocalConfig, toolPath: string): Record<string, string> {
  const { dataDir, projectDir, ports, bind, monitoringBind, host } = config;
  const inServer = (name: string) => join(dataDir, "nats", name);
  return {
    ...withoutRuntimeVariables(config.environment),
    PATH: toolPath,
    NSC_DIR: join(dataDir, "nsc"),
    SCRATCH_DIR: join(dataDir, "scratch"),
    SERVER_DIR: join(dataDir, "nats"),
    SERVER_FILES: join(projectDir, "fs/nats-server"),
    ROLES_DIR: join(projectDir, "fs/nats-init/roles"),
    STREAMS_DIR: join(projectDir, "fs/nats-push/streams"),
    KEYS_DIR: join(dataDir, "keys"),
    SECRETS_DIR: join(projectDir, "fs/nats-export/secrets"),
    RESET_HINT: `rm -r ${["nsc", "nats", "keys"].map((name) => shellQuote(join(dataDir, name))).join(" ")}`,
    AGAIN_HINT: "run npm start again",
    NATS_SERVER_NAME: "nats-server",
    GOMEMLIMIT: config.environment.NATS_GOMEMLIMIT ?? "",
    NATS_HOST: bind,
    NATS_PORT: String(ports.nats),
    NATS_WS_PORT: String(ports.webSocket),
    // nats-server parses the value of a variable like a value in nats.conf: an address with a port, or a path, needs quotes.
    NATS_HTTP_LISTEN: JSON.stringify(`${inBrackets(monitoringBind)}:${ports.monitoring}`),
    NATS_JWT_DIR: JSON.stringify(inServer("jwt")),
    NATS_JS_DIR: JSON.stringify(inServer("jetstream")),
    NATS_URL: `nats://${host}:${ports.nats}`,
    NATS_WS_URL: `ws://${host}:${ports.webSocket}`,
    MINT_HOST: bind,
    MINT_PORT: String(ports.mint),
    MINT_PUBLISHED_PORT: String(ports.mint),
    MINT_DEV_HOSTS: [config.environment.MINT_DEV_HOSTS, host].filter(Boolean).join(),
    MINT_KEYS_DIR: join(dataDir, "keys"),
    MINT_POLICY_FILE: join(projectDir, "fs/mint/policy.json"),
    MINT_API_KEYS_FILE: join(projectDir, "fs/mint/api-keys.json"),
  };
}

/** Variables of the mint's runtime, which containers don't receive either: they would change what it trusts. */
const RUNTIME =
  /^(NODE_EXTRA_CA_CERTS|NODE_TLS_REJECT_UNAUTHORIZED|NODE_OPTIONS|BUN_OPTIONS|SSL_CERT_FILE|SSL_CERT_DIR)$/;

const withoutRuntimeVariables = (environment: LocalConfig["environment"]) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !RUNTIME.test(name)));

const shellQuote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
