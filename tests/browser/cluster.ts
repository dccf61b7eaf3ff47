import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import type { Recipe } from "../recipe/recipe.ts";

/** A cluster of two servers instead of the recipe's server, with its configuration. Each has a copy of the account JWTs. */

export interface Cluster extends AsyncDisposable {
  /** The ports of each server: for clients over TCP, and for WebSockets. */
  readonly ports: readonly { readonly nats: number; readonly webSocket: number }[];
}

export async function startCluster(recipe: Recipe): Promise<Cluster> {
  await recipe.stopServer();
  const [nats, webSocket, monitoring, ...routes] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const other = { nats, webSocket, monitoring };
  const all = [recipe.ports, other];
  const state = join(recipe.dir, "nats");
  cpSync(join(state, "jwt"), join(state, "jwt-1"), { recursive: true });
  const known = JSON.stringify(routes.map((port) => `nats://127.0.0.1:${port}`));
  const servers = all.map((ports, index) => {
    const config = join(state, `config/cluster-${index}.conf`);
    const cluster = `cluster { name: "two", listen: "127.0.0.1:${routes[index]}", routes: ${known} }`;
    writeFileSync(config, `include ./nats.conf\n${cluster}\n`);
    return Bun.spawn(["nats-server", "-c", config], {
      env: {
        ...recipe.env,
        NATS_SERVER_NAME: `nats-server-${index}`,
        NATS_PORT: String(ports.nats),
        NATS_WS_PORT: String(ports.webSocket),
        NATS_HTTP_LISTEN: JSON.stringify(`127.0.0.1:${ports.monitoring}`),
        ...(index > 0 && {
          NATS_JWT_DIR: JSON.stringify(join(state, "jwt-1")),
          NATS_JS_DIR: JSON.stringify(join(state, "jetstream-1")),
        }),
      },
      stdio: ["ignore", "ignore", Bun.file(join(recipe.dir, `nats-server-${index}.log`))],
    });
  });

  /** Whether the server runs, with JetStream. */
  const isHealthy = (port: number) =>
    fetch(`${recipe.monitoring(port)}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  const hasRoute = async (port: number) => {
    const response = await fetch(`${recipe.monitoring(port)}/routez`);
    return ((await response.json()) as { num_routes: number }).num_routes > 0;
  };
  for (const { monitoring: port } of all) {
    while (!((await isHealthy(port)) && (await hasRoute(port)))) await Bun.sleep(50);
  }
  return {
    ports: all,
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.kill("SIGKILL");
      await Promise.all(servers.map(({ exited }) => exited));
    },
  };
}
