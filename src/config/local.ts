import { z } from "zod";
import type { AuthMethodName } from "../core/identity.ts";
import { ALWAYS, type Env, envReader, projectDir, variablesOf, withEnvFile } from "./env.ts";
import {
  DATA_DIR,
  MINT_AUTH,
  MINT_PORT,
  NATS_BIND,
  NATS_HTTP_BIND,
  NATS_HTTP_PORT,
  NATS_PORT,
  NATS_WS_PORT,
  urlHost,
} from "./shared.ts";

/** The configuration of the launcher, `npm start`. */
export interface LocalConfig {
  /** The mint's authentication methods; empty if `MINT_AUTH` is wrong, which the mint reports. */
  readonly auth: readonly AuthMethodName[];
  /** The root directory of the checkout. */
  readonly projectDir: string;
  /** The directory of all state; absolute. */
  readonly dataDir: string;
  /** The address on which all ports except the monitoring port are opened. */
  readonly bind: string;
  readonly monitoringBind: string;
  readonly ports: Readonly<Record<"nats" | "webSocket" | "monitoring" | "mint", number>>;
  /** The host at which programs on this machine reach the ports, in the form for a URL. */
  readonly host: string;
  readonly mintUrl: string;
  /** The environment and `.env`, for the programs that the launcher starts. */
  readonly environment: Readonly<Record<string, string>>;
}

const PORTS = z
  .object({ NATS_PORT, NATS_WS_PORT, NATS_HTTP_PORT, MINT_PORT })
  .superRefine((ports, { addIssue }) => {
    const seen = new Map<unknown, string>();
    for (const [name, port] of Object.entries(ports)) {
      const other = seen.get(port);
      // A wrong port, which has its own message, is still a text.
      if (other && typeof port === "number") {
        addIssue({
          code: "custom",
          path: [name],
          message: `another port than ${other}, which is ${port} too`,
        });
      }
      seen.set(port, name);
    }
  }, ALWAYS);

const PLACES = z.object({ NATS_BIND, NATS_HTTP_BIND, DATA_DIR });

const METHODS = z.object({ MINT_AUTH });

/** The names of the variables that `readLocalConfig` reads. */
export const LOCAL_VARIABLES = variablesOf({ PORTS, PLACES, METHODS });

/** @throws {ConfigError} with one line for each mistake */
export function readLocalConfig(env: Env = withEnvFile()): LocalConfig {
  const from = envReader(env);
  const { ports, places } = from.read({ ports: PORTS, places: PLACES });
  const host = urlHost(places.NATS_BIND);
  return {
    auth: from.readIfValid(METHODS)?.MINT_AUTH ?? [],
    projectDir,
    dataDir: places.DATA_DIR,
    bind: places.NATS_BIND,
    monitoringBind: places.NATS_HTTP_BIND,
    ports: {
      nats: ports.NATS_PORT,
      webSocket: ports.NATS_WS_PORT,
      monitoring: ports.NATS_HTTP_PORT,
      mint: ports.MINT_PORT,
    },
    host,
    mintUrl: `http://${host}:${ports.MINT_PORT}`,
    environment: Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  };
}
