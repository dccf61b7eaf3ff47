import { CONTENT_TYPE, type Figures } from "../../telemetry/totals.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** This process as one of several: what it tells its supervisor, and what it asks it. */

export interface Worker {
  /** From 1. One that takes the place of another has its number. */
  readonly number: number;
  /** Tells that requests are answered now. From then on it tells what it has counted whenever it is asked. */
  readonly listens: (figures: () => Promise<Figures>) => void;
  /** What all workers have counted. To be given to `createApp` as `metrics`. */
  readonly totals: () => Promise<{ body: string; contentType: string }>;
}

/** What a worker's command line has before its number. */
export const WORKER = "worker";

/** Milliseconds that the supervisor has to tell the totals. */
const PATIENCE = 5000;
const NO_FIGURES = "the supervisor tells no figures";

/** This process as a worker, if a supervisor started it as one. */
export function thisWorker(): Worker | undefined {
  const [word, number] = process.argv.slice(2);
  if (word !== WORKER || !process.send) return undefined;
  const say = (message: FromWorker) => process.send?.(message);
  let asked: ReturnType<typeof Promise.withResolvers<string>> | undefined;
  let figures: (() => Promise<Figures>) | undefined;

  process.on("message", async (message: ToWorker) => {
    if (message.type === "figures") {
      if (figures) say({ type: "figures", figures: await figures() });
    } else if (message.body === undefined) fail();
    else {
      asked?.resolve(message.body);
      asked = undefined;
    }
  });
  process.on("disconnect", fail);

  function fail(): void {
    asked?.reject(new Error(NO_FIGURES));
    asked = undefined;
  }

  return {
    number: Number(number),
    listens(tell) {
      // Gone before anybody listened for it to go: nobody is left who could stop this process.
      if (!process.connected) process.exit(0);
      figures = tell;
      say({ type: "listening" });
    },
    async totals() {
      if (!process.connected) throw new Error(NO_FIGURES);
      // Whoever asks while an answer is under way gets the same one.
      if (!asked) {
        const mine = Promise.withResolvers<string>();
        asked = mine;
        setTimeout(() => asked === mine && fail(), PATIENCE).unref();
        say({ type: "totals" });
      }
      return { body: await asked.promise, contentType: CONTENT_TYPE };
    },
  };
}
