import { readMintConfig } from "../config/mint.ts";
import { ConfigError } from "../core/errors.ts";
import { checkPort, stopSignal } from "./listen.ts";
import { thisWorker } from "./workers/worker.ts";

/**
 * The mint as a service: in this process, or in several that this one starts and looks after. What each of them needs is
 * loaded when it is known which one this is.
 */

const worker = thisWorker();
// Signals may come to a worker and to its supervisor, and so twice. Ending it at once is for the supervisor to do.
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
  // Wrong settings end it, in words.
  if (!(error instanceof ConfigError)) throw error;
  console.error(error.message);
  process.exit(1);
}
process.exit(0);
