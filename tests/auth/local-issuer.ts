import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FetchDocument } from "../../src/auth/jwt/discovery.ts";

/** A document that an issuer publishes as JSON, or a response of another kind. */
export type Published = object | ((response: ServerResponse) => void);

/**
 * Serves documents of any URLs over HTTP on this machine, and has a `fetch` that asks this server for them. So a test
 * can use the names and URLs of real providers.
 */
export interface LocalIssuer extends AsyncDisposable {
  readonly fetch: FetchDocument;
  /** The URLs that were asked for, in order. */
  readonly requests: readonly string[];
  /** Replaces what is published. */
  publish(documents: Readonly<Record<string, Published>>): void;
}

export async function localIssuer(documents: Readonly<Record<string, Published>> = {}): Promise<LocalIssuer> {
  let published = documents;
  const requests: string[] = [];
  const respond: RequestListener = (request, response) => {
    const url = decodeURIComponent((request.url ?? "/").slice(1));
    requests.push(url);
    const document = Object.hasOwn(published, url) ? published[url] : undefined;
    if (document === undefined) response.writeHead(404).end();
    else if (typeof document === "function") document(response);
    else response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(document));
  };
  const server = createServer(respond).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    fetch: (url, init) => fetch(`http://127.0.0.1:${port}/${encodeURIComponent(url)}`, init),
    requests,
    publish(next) {
      published = next;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The URL of an issuer's discovery document. */
export const wellKnown = (issuer: string) => `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
