import { join } from "node:path";
import type { Hono } from "hono";

/** A page and the mint that it asks, on one origin. */

const PAGE = "<!doctype html><title>page</title><script src=/page.js></script>";

let script: Promise<string> | undefined;

/** The page's script, made once. */
async function bundle(): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dirname, "page.ts")],
    target: "browser",
    format: "iife",
  });
  return (outputs[0] as Blob).text();
}

/** A request for a credential, and what came of it. */
export interface Asked {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly status: number;
}

export type Site = Awaited<ReturnType<typeof makeSite>>;

export async function makeSite(mint: Hono, hostname: string, port: number) {
  script ??= bundle();
  const text = await script;
  const asked: Asked[] = [];
  const waiting = new Set<() => void>();
  let override: ((request: Request) => Response | undefined) | undefined;

  async function answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/page.js") {
      return new Response(text, { headers: { "Content-Type": "text/javascript; charset=utf-8" } });
    }
    if (pathname !== "/creds") return new Response(PAGE, { headers: { "Content-Type": "text/html" } });
    const response = override?.(request) ?? (await mint.fetch(request));
    asked.push({ at: Date.now(), status: response.status });
    for (const look of waiting) look();
    return response;
  }

  const serve = () => Bun.serve({ hostname: "127.0.0.1", port, fetch: answer, idleTimeout: 60 });
  let server = serve();

  return {
    origin: `http://${hostname}:${port}`,

    /** Every request for a credential so far. */
    asked,

    /** Has the mint answer so, where this gives an answer. */
    answerWith(answer: typeof override): void {
      override = answer;
    },

    /** Resolves at the first request for a credential from now on. */
    nextAsked(): Promise<Asked> {
      return new Promise((resolve) => {
        const look = () => {
          waiting.delete(look);
          resolve(asked.at(-1) as Asked);
        };
        waiting.add(look);
      });
    },

    /** Nobody listens any more. */
    stop: () => server.stop(true),

    start(): void {
      server = serve();
    },

    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
