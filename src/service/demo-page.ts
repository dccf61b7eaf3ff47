import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Route, RouteHandler } from "../http/routes.ts";

/**
 * The demo page: three files, read once, whose Content-Security-Policy allows only them, the mint and the NATS servers.
 */

export interface DemoOptions {
  /** The directory that demo/build.ts wrote. */
  readonly dir: string;
  /** URLs of the servers that the page connects to. */
  readonly websocket: readonly string[];
  /** Throws to refuse a request. */
  readonly check: (request: Request) => unknown;
}

const FILES = [
  { paths: ["/", "/index.html"], name: "index.html", type: "text/html; charset=utf-8" },
  { paths: ["/demo/main.js"], name: "main.js", type: "text/javascript; charset=utf-8" },
  { paths: ["/demo/style.css"], name: "style.css", type: "text/css; charset=utf-8" },
] as const;

/** The page's files as routes of `createApp`. */
export function demoRoutes({ dir, websocket, check }: DemoOptions): readonly Route[] {
  const policy = contentPolicy(websocket);
  return FILES.flatMap(({ paths, name, type }) => {
    const body = readFileSync(join(dir, name));
    const handler: RouteHandler = async (c) => {
      await check(c.req.raw);
      c.header("Content-Security-Policy", policy);
      c.header("Referrer-Policy", "no-referrer");
      return c.body(body, 200, { "Content-Type": type });
    };
    return paths.map((path) => ({ method: "GET", path, handler }));
  });
}

function contentPolicy(websocket: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src ${["'self'", ...new Set(websocket.map(source))].join(" ")}`,
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

/** A URL as a source in the policy, which has no syntax for IPv6 addresses: for one of these it is only the scheme. */
function source(url: string): string {
  const { protocol, host } = new URL(url);
  return host.startsWith("[") ? protocol : `${protocol}//${host}`;
}
