import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import Fastify from "fastify";
import { Hono, type HonoRequest } from "hono";
import { createApp, createMint, nodeHandler, parseSubjectToken, readKeys } from "../../src/index.ts";

/**
 * A program that mounts the mint in other frameworks, in many ways, and sends the same requests to each. It prints what
 * they respond. Argument: the directory of exported keys.
 */

const { mint: keys } = await readKeys(process.argv[2] ?? "");
const options: Parameters<typeof createApp>[0] = {
  mint: createMint(keys),
  authenticate: (request) => {
    const subject = request.headers.get("X-User");
    return subject ? { issuer: "mounted", subject, claims: {} } : null;
  },
  grant: ({ subject }, { user = subject }) => ({ role: "browser", user: parseSubjectToken(user) }),
  servers: { websocket: ["ws://localhost:9222"], tcp: [] },
  peerAddress: (c) => c.env.incoming.socket.remoteAddress,
};
const swallow: express.RequestHandler = (request, _, next) => {
  request.resume().on("end", () => next());
};

/** An Express application with the mint at /nats, after these middlewares. */
function expressApp(...before: express.RequestHandler[]): Server {
  const app = express();
  for (const handler of before) app.use(handler);
  app.use("/nats", nodeHandler(createApp(options)));
  app.use(express.json());
  app.post("/own", (request, response) => void response.json(request.body));
  return createServer(app);
}

async function fastifyApp(): Promise<Server> {
  const app = Fastify();
  const handle = nodeHandler(new Hono().route("/nats", createApp(options)));
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.all("/nats/*", (request, reply) => {
      reply.hijack();
      handle(request.raw, reply.raw);
    });
  });
  app.post("/own", async (request) => request.body);
  await app.ready();
  return app.server;
}

/** A Hono application with a middleware that reads the body. */
function honoApp(read: (request: HonoRequest) => Promise<unknown>) {
  const app = new Hono();
  app.use(async (c, next) => {
    if (c.req.method === "POST") await read(c.req);
    await next();
  });
  app.route("/nats", createApp(options));
  app.post("/own", async (c) => c.json(await c.req.json()));
  return app;
}

const servers: Record<string, Server | Promise<Server>> = {
  express: expressApp(),
  "express.json": expressApp(express.json()),
  "express.json and urlencoded": expressApp(express.json(), express.urlencoded({ extended: true })),
  "express.text": expressApp(express.text({ type: "*/*" })),
  "express.raw": expressApp(express.raw({ type: "*/*" })),
  "express without a body": expressApp(swallow),
  fastify: fastifyApp(),
  "hono on node-server": createServer(getRequestListener(honoApp(async () => {}).fetch)),
  "hono with json": createServer(nodeHandler(honoApp((request) => request.json().catch(() => {})))),
  "hono with raw": createServer(nodeHandler(honoApp((request) => request.raw.text()))),
  "node-server in express.json": createServer(
    express()
      .use(express.json())
      .use("/nats", getRequestListener(createApp(options).fetch) as express.RequestHandler),
  ),
};

interface Outcome {
  readonly status: number | undefined;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

function send(
  port: number,
  path: string,
  method: string,
  headers: Record<string, string>,
  body?: string | Buffer,
) {
  return new Promise<Outcome>((resolve, reject) => {
    const request = httpRequest(
      { port, host: "127.0.0.1", path, method, headers, agent: false },
      (response) => {
        let text = "";
        response.on("data", (data) => {
          text += data;
        });
        response.on("end", () => resolve({ status: response.statusCode, text, headers: response.headers }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

const result: Record<string, unknown> = {};
for (const [name, made] of Object.entries(servers)) {
  const server = await made;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const type = { "Content-Type": "application/json", "X-User": "alice" };
  const brief = ({ status, text }: Outcome) => {
    try {
      const { user, code } = JSON.parse(text);
      return `${status} ${user ?? code}`;
    } catch {
      return `${status}`;
    }
  };
  const post = async (body: string | Buffer, headers: Record<string, string> = type) =>
    brief(await send(port, "/nats/creds", "POST", headers, body));
  result[name] = {
    "a credential": await post('{"user":"bob"}'),
    "an empty object": await post("{}"),
    "in chunks": await post('{"user":"bob"}', { ...type, "Transfer-Encoding": "chunked" }),
    "a wrong type": await post("a=b", { ...type, "Content-Type": "application/x-www-form-urlencoded" }),
    compressed: await post(gzipSync("{}"), { ...type, "Content-Encoding": "gzip" }),
    "too large": await post(JSON.stringify({ user: "x".repeat(9000) })),
    "without a login": await post("{}", { "Content-Type": "application/json" }),
    "a GET": brief(await send(port, "/nats/creds", "GET", {})),
    health: (await send(port, "/nats/healthz", "GET", {})).status,
    "a bad host": (await send(port, "/nats/healthz", "GET", { Host: "a b" })).status,
  };
  server.close();
}
console.log(JSON.stringify(result));
process.exit(0);
