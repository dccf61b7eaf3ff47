import { z } from "zod";
import { type Env, envReader, variablesOf, withEnvFile } from "./env.ts";
import { DATA_DIR, MINT_PORT, NATS_BIND, urlHost } from "./shared.ts";
import { flag, text } from "./values.ts";

/** The configuration of the example client. */
export interface ClientConfig {
  readonly mintUrl: string;
  /** Whether the environment names the mint; otherwise one that runs on this machine is meant. */
  readonly namesMint: boolean;
  /** The directory of the state of `npm start`; absolute. */
  readonly dataDir: string;
  /** Whether it connects over WebSocket; over TCP otherwise. */
  readonly useWebSocket: boolean;
}

const CLIENT = z.object({
  MINT_PORT,
  NATS_BIND,
  DATA_DIR,
  MINT_URL: text.optional(),
  USE_WEBSOCKET: flag.default(true),
});

/** The names of the variables that `readClientConfig` reads. */
export const CLIENT_VARIABLES = variablesOf({ CLIENT });

/**
 * @param set the variables that were set for this call, rather than in `.env`
 * @throws {ConfigError} with one line for each mistake
 */
export function readClientConfig(env: Env = withEnvFile(), set: Env = process.env): ClientConfig {
  const { client } = envReader(env).read({ client: CLIENT });
  return {
    mintUrl: client.MINT_URL ?? `http://${urlHost(client.NATS_BIND)}:${client.MINT_PORT}`,
    namesMint: client.MINT_URL !== undefined || Boolean(set.MINT_PORT || set.NATS_BIND),
    dataDir: client.DATA_DIR,
    useWebSocket: client.USE_WEBSOCKET,
  };
}
