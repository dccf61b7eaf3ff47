import { z } from "zod";
import { type Env, envReader, variablesOf, withEnvFile } from "./env.ts";
import { MINT_PORT, NATS_BIND, urlHost } from "./shared.ts";
import { flag, text } from "./values.ts";

/** The configuration of the example client. */
export interface ClientConfig {
  readonly mintUrl: string;
  /** Whether it connects over WebSocket; over TCP otherwise. */
  readonly useWebSocket: boolean;
}

const CLIENT = z.object({
  MINT_PORT,
  NATS_BIND,
  MINT_URL: text.optional(),
  USE_WEBSOCKET: flag.default(true),
});

/** The names of the variables that `readClientConfig` reads. */
export const CLIENT_VARIABLES = variablesOf({ CLIENT });

/** @throws {ConfigError} with one line for each mistake */
export function readClientConfig(env: Env = withEnvFile()): ClientConfig {
  const { client } = envReader(env).read({ client: CLIENT });
  return {
    mintUrl: client.MINT_URL ?? `http://${urlHost(client.NATS_BIND)}:${client.MINT_PORT}`,
    useWebSocket: client.USE_WEBSOCKET,
  };
}
