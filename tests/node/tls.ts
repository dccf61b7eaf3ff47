import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { expectSuccess, type Recipe } from "../recipe/recipe.ts";

/** A second server with the recipe's configuration that requires TLS, with a certificate of an authority of its own. */
export async function startTlsServer(recipe: Recipe, options = "") {
  const [nats, webSocket, monitoring] = (await freePorts(3)) as [number, number, number];
  const path = (name: string) => join(recipe.dir, name);
  const openssl = async (...command: string[]) => expectSuccess(await recipe.run(["openssl", ...command]));
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  await openssl(
    ...["req", "-x509", ...key, "-subj", "/CN=authority", "-keyout", path("ca.key"), "-out", path("ca.pem")],
  );
  await openssl(
    ...["req", "-x509", ...key, "-subj", "/CN=server", "-keyout", path("tls.key"), "-out", path("tls.pem")],
    ...["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-addext", "subjectAltName=DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  );
  const tls = `tls { cert_file: "${path("tls.pem")}", key_file: "${path("tls.key")}"\n${options} }`;
  const config = join(recipe.dir, "nats/config/tls.conf");
  writeFileSync(config, `include ./nats.conf\n${tls}\n`);
  const server = Bun.spawn(["nats-server", "-c", config], {
    env: {
      ...recipe.env,
      NATS_SERVER_NAME: "tls",
      NATS_PORT: String(nats),
      NATS_WS_PORT: String(webSocket),
      NATS_HTTP_LISTEN: JSON.stringify(`127.0.0.1:${monitoring}`),
      NATS_JS_DIR: JSON.stringify(path("jetstream-tls")),
    },
    stdio: ["ignore", "ignore", Bun.file(path(`tls-${nats}.log`))],
  });
  const isHealthy = () =>
    fetch(`${recipe.monitoring(monitoring)}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isHealthy())) {
    if (server.exitCode !== null) throw new Error(await Bun.file(path(`tls-${nats}.log`)).text());
    await Bun.sleep(20);
  }
  return {
    port: nats,
    ca: await Bun.file(path("ca.pem")).text(),
    async [Symbol.asyncDispose]() {
      server.kill();
      await server.exited;
    },
  };
}
