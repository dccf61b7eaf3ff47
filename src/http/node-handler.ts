import type { Readable } from "node:stream";
import { nameOfHost } from "../util/host-name.ts";
import { BodyUsedError } from "./errors.ts";

/** Serves an application on Node's HTTP server, also inside of Express, Fastify and others that use it. */

/** The part of `http.IncomingMessage` that is used. */
export interface NodeRequest {
  readonly method?: string | undefined;
  /** The path below the one that the handler is mounted at. */
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether something has read of the body. */
  readonly readableDidRead: boolean;
  /** What a body parser before the handler has made of the body, such as `express.json()`. */
  readonly body?: unknown;
}

/** The part of `http.ServerResponse` that is used. */
export interface NodeResponse {
  readonly headersSent: boolean;
  statusCode: number;
  setHeader(name: string, value: string | readonly string[]): unknown;
  end(body?: Uint8Array): unknown;
}

/** An application that responds to a `Request`: Hono's, and that of `createApp`. */
export interface FetchApp {
  fetch(
    request: Request,
    env: { incoming: NodeRequest; outgoing: NodeResponse },
  ): Response | Promise<Response>;
}

/**
 * Makes a handler for `app.use("/nats", …)` of Express and for `http.createServer(…)`. A body that a parser has read
 * before is used if the request has it as `body`. `c.env` is `{ incoming, outgoing }`: the option
 * `peerAddress: (c) => c.env.incoming.socket.remoteAddress` of `createApp` gives the address.
 */
export function nodeHandler(app: FetchApp): (incoming: NodeRequest, outgoing: NodeResponse) => void {
  return (incoming, outgoing) => {
    respond(app, incoming, outgoing).catch(() => {
      if (!outgoing.headersSent) outgoing.statusCode = 500;
      outgoing.end();
    });
  };
}

async function respond(app: FetchApp, incoming: NodeRequest, outgoing: NodeResponse): Promise<void> {
  const request = toRequest(incoming);
  if (!request) {
    outgoing.statusCode = 400;
    outgoing.end();
    return;
  }
  const response = await app.fetch(request, { incoming, outgoing });
  const body = new Uint8Array(await response.arrayBuffer());
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) if (name !== "set-cookie") outgoing.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("Set-Cookie", cookies);
  outgoing.end(body);
}

/**
 * @returns undefined if the host is not valid, or the path would be another one in a URL: what stands before the
 * application, such as a middleware that protects a path, has judged the path as it was sent
 */
function toRequest(incoming: NodeRequest): Request | undefined {
  const { method = "GET", url: target = "/" } = incoming;
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headers)) {
    for (const value of [values ?? []].flat()) headers.append(name, value);
  }
  const host = headers.get("Host") ?? "localhost";
  const url = `http://${host}${target}`;
  // `/./metrics` becomes `/metrics`, and so does any path with the host `localhost/metrics?`.
  const isPlain = nameOfHost(host) !== undefined && URL.canParse(url);
  if (!isPlain || new URL(url).pathname !== target.split("?")[0]) return undefined;
  const hasBody = method !== "GET" && method !== "HEAD";
  const body = hasBody ? bodyOf(incoming, headers) : undefined;
  try {
    return new Request(url, {
      method,
      headers,
      ...(body !== undefined && { body, duplex: "half" }),
    } as RequestInit);
  } catch {
    return undefined;
  }
}

type Body = ReadableStream<Uint8Array> | string | Uint8Array<ArrayBuffer>;

function bodyOf(incoming: NodeRequest, headers: Headers): Body {
  if (!incoming.readableDidRead) return streamOf(incoming as unknown as Readable);
  // Made from what a parser has left, so it has another length, and is not compressed.
  const { body } = incoming;
  headers.delete("Content-Length");
  headers.delete("Content-Encoding");
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  if (body !== undefined) return JSON.stringify(body);
  return new ReadableStream({ start: (controller) => controller.error(new BodyUsedError()) });
}

/** The body as it arrives. It is not destroyed when the rest is not wanted: that would close the connection. */
function streamOf(incoming: Readable): ReadableStream<Uint8Array> {
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch {
        controller.error(new DOMException("the client closed the connection", "AbortError"));
      }
    },
  });
}
