import { readMintConfig } from "../config/mint.ts";
import { ConfigError } from "../core/errors.ts";
import { checkPort } from "./listen.ts";
import { stopSignal } from "./shutdown.ts";
import { thisWorker } from "./workers/worker.ts";

/**
 * The mint as a service: in this process, or in several workers that this process supervises. Each process loads only
 * the modules for its part.
 */

const worker = thisWorker();
// A worker may receive a signal itself and from its supervisor. Only the supervisor ends it at once.
const stopping = worker ? stopSignal({ orOn: "disconnect", onSecond: () => {} }) : stopSignal();

try {
  const config = readMintConfig();
  if (!worker) await checkPort(config.host, config.port);
  if (worker || config.workers === 1) {
    const { serve } = await import("./serve.ts");
    await serve({ config, stopping, worker });
  } else {
    const { supervise } = await import("./workers/supervisor.ts");
    process.exit(await supervise({ config, stopping }));
  }
} catch (error) {
  // Wrong settings: print the message, without a stack.
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
process.exit(0);
