import { cpSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { on, serve } from "../process.ts";
import type { Users } from "./users.ts";

/** A new nats-server for each measurement, with the recipe's configuration. */
export interface NatsServer extends AsyncDisposable {
  readonly pid: number;
  readonly ports: Readonly<Record<Transport, number>>;
}

export type Transport = "TCP" | "WebSocket";

export interface NatsServerOptions {
  readonly scratch: string;
  readonly program: string;
  readonly core: number | undefined;
  readonly users: Users;
}

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { scratch, program, core, users } = options;
  const dir = mkdtempSync(join(scratch, "nats-"));
  const config = join(dir, "nats.conf");
  const log = join(dir, "nats-server.log");
  cpSync(join(import.meta.dirname, "../../fs/nats-server/nats.conf"), config);
  writeFileSync(
    join(dir, "resolver.conf"),
    `trusted_keys: [${users.operator}]
system_account: ${users.system}
resolver: MEMORY
resolver_preload: { ${users.system}: "${users.systemJwt}", ${users.account}: "${users.accountJwt}" }
`,
  );
  writeFileSync(join(dir, "monitoring.conf"), "");
  const server = await serve({
    command: () => on(core, [program, "--config", config, "--ports_file_dir", dir, "--log", log]),
    env: (port) => ({
      NATS_SERVER_NAME: "bench",
      NATS_HOST: "127.0.0.1",
      NATS_HTTP_LISTEN: JSON.stringify(`127.0.0.1:${port}`),
      // -1: any free port.
      NATS_PORT: "-1",
      NATS_WS_PORT: "-1",
      NATS_WS_ORIGINS: '["http://localhost:3000"]',
      NATS_MAX_CONNECTIONS: "100000",
      NATS_JS_DIR: JSON.stringify(join(dir, "jetstream")),
      NATS_JS_MEMORY: "1MB",
      NATS_JS_DISK: "1MB",
    }),
    ready: "/healthz",
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${readFileSync(log, "utf8").trim().split("\n").at(-1)}`);
  });
  return { ...server, ports: await readPorts(join(dir, `nats-server_${server.pid}.ports`)) };
}

/** Waits for the file with the ports of the server. The file may exist before it is complete. */
async function readPorts(file: string): Promise<NatsServer["ports"]> {
  while (!existsSync(file) || !readFileSync(file, "utf8").endsWith("}")) await Bun.sleep(2);
  const { nats, websocket } = JSON.parse(readFileSync(file, "utf8"));
  return { TCP: portOf(nats), WebSocket: portOf(websocket) };
}

const portOf = ([url]: readonly string[]) => Number(new URL(url ?? "").port);
