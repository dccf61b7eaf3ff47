import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Hono } from "hono";
import { pendingBodies } from "../edge/pending-bodies.ts";
import { problems } from "../edge/problems.ts";
import { readJson } from "./read-json.ts";

/** Bodies that arrive late or not at all, which needs a real connection. */

let server: Bun.Server<undefined>;
let reached = 0;

const within = (deadline: number) => {
  const bodies = pendingBodies({ total: 100, perNetwork: 100, deadline });
  return (body: Promise<string>) => bodies.receive(body, undefined);
};

beforeAll(() => {
  const app = new Hono();
  app.post("/", async (c) => {
    const json = await readJson(c.req.raw, within(100));
    reached++;
    return c.json(json as object);
  });
  app.post("/slow", async (c) => c.json((await readJson(c.req.raw, within(60_000))) as object));
  app.onError(problems((error) => expect(error).toBeUndefined(), { bearerChallenge: true }));
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
});
afterAll(() => server.stop(true));

const HEAD = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

function open(start: string): { socket: Socket; response: Promise<string> } {
  const socket = connect(server.port as number, "127.0.0.1", () => socket.write(start));
  let response = "";
  socket.on("data", (data) => {
    response += data;
  });
  return { socket, response: new Promise((resolve) => socket.on("close", () => resolve(response))) };
}

test("a body that stops half-way results in 408, and its connection is closed", async () => {
  for (const start of [
    `${HEAD}Content-Length: 100\r\n\r\n{"a"`,
    `${HEAD}Content-Length: 100\r\n\r\n`,
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n`,
  ]) {
    const response = await open(start).response;
    expect(response).toStartWith("HTTP/1.1 408 ");
    expect(response).toContain('"code":"request_timeout"');
  }
  expect(reached).toBe(0);
});

test("a body that arrives byte by byte gets no more time", async () => {
  const { socket, response } = open(`${HEAD}Content-Length: 8000\r\n\r\n`);
  socket.on("error", () => {});
  const timer = setInterval(() => socket.write(" "), 10);
  expect(await response).toStartWith("HTTP/1.1 408 ");
  clearInterval(timer);
});

test("a body that arrives in two parts is read", async () => {
  const head = HEAD.replace("/", "/slow");
  const { socket, response } = open(`${head}Connection: close\r\nContent-Length: 7\r\n\r\n{"a"`);
  await once(socket, "connect");
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(":1}");
  expect(await response).toMatch(/^HTTP\/1.1 200 [\s\S]*\{"a":1\}$/);
});
