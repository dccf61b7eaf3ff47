import { join } from "node:path";
import type { Hono } from "hono";

/** A page and its mint, on one origin. */

const PAGE = "<!doctype html><title>page</title><script src=/page.js></script>";

/** Runs the program of page/program.ts. */
const WORKER = `
  import { work } from "/program.js";
  onmessage = async ({ data }) => postMessage(await work(data));
`;

/** The scripts by their paths. */
const SCRIPTS: Record<string, () => Promise<string>> = {
  "/page.js": once(() => bundle("page.ts", "iife")),
  "/program.js": once(() => bundle("page/program.ts", "esm")),
  "/worker.js": async () => WORKER,
};

/** Bundles a script of this folder. */
export async function bundle(
  path: string,
  format: "iife" | "esm",
  target: "browser" | "node" = "browser",
): Promise<string> {
  const entrypoints = [join(import.meta.dirname, path)];
  const { outputs } = await Bun.build({ entrypoints, target, format });
  return (outputs[0] as Blob).text();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A request to `POST /creds`, and the status of its response. */
export interface CredsRequest {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly status: number;
}

export type Site = Awaited<ReturnType<typeof makeSite>>;

export async function makeSite(mint: Hono, hostname: string, port: number) {
  const requests: CredsRequest[] = [];
  const waiting = new Set<() => void>();
  let override: ((request: Request) => Response | undefined) | undefined;

  async function respond(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const script = await SCRIPTS[pathname]?.();
    if (script)
      return new Response(script, { headers: { "Content-Type": "text/javascript; charset=utf-8" } });
    if (pathname !== "/creds") return new Response(PAGE, { headers: { "Content-Type": "text/html" } });
    const response = override?.(request) ?? (await mint.fetch(request));
    requests.push({ at: Date.now(), status: response.status });
    for (const look of waiting) look();
    return response;
  }

  const serve = () => Bun.serve({ hostname: "127.0.0.1", port, fetch: respond, idleTimeout: 60 });
  let server = serve();

  return {
    origin: `http://${hostname}:${port}`,

    /** Every request to `POST /creds` so far. */
    requests,

    /** From now on `respond` replaces the mint where it returns a response; undefined ends this. */
    respondWith(respond: typeof override): void {
      override = respond;
    },

    /** Resolves at the next request to `POST /creds`. */
    nextRequest(): Promise<CredsRequest> {
      return new Promise((resolve) => {
        const look = () => {
          waiting.delete(look);
          resolve(requests.at(-1) as CredsRequest);
        };
        waiting.add(look);
      });
    },

    /** Connections are refused from now on. */
    stop: () => server.stop(true),

    start(): void {
      server = serve();
    },

    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
