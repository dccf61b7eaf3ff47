import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { BODY, CONTINUE, GOOD, HALF, REST, start } from "./service.ts";

/** How the service stops: what has begun is finished, nothing new begins, and it ends whatever the others do. */

/** Whom the service asks who is calling. It answers when it is told to. */
let elsewhere: Bun.Server<undefined>;
let asked = Promise.withResolvers<() => void>();

beforeAll(() => {
  elsewhere = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: () => new Promise<Response>((resolve) => asked.resolve(() => resolve(new Response("alice")))),
  });
});
afterAll(() => elsewhere.stop(true));

const HELD = "tests/edge/held-service.ts";
const startHeld = () => {
  asked = Promise.withResolvers();
  return start({ HELD_BY: `http://127.0.0.1:${elsewhere.port}` }, HELD);
};

describe("on the first signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal}: a body that is half sent is read and answered, idle connections are closed, and it ends with 0`, async () => {
      await using service = await start();
      const idle = service.open(GOOD);
      await idle.waitFor(/"user":"alice"/);
      const half = service.open(HALF);
      await half.waitFor(/100 Continue/);

      service.kill(signal);
      await idle.closed;
      expect(half.output()).toBe(CONTINUE);
      half.write(REST);
      const response = (await half.closed).slice(CONTINUE.length);
      expect(response).toStartWith("HTTP/1.1 200");
      expect(response).toMatch(/^connection: close\r$/im);
      expect(response).toContain('"user":"alice"');
      expect(await service.ended).toBe(0);
    });
  }

  test("a request whose head is half sent is answered; readyz says that it is not ready", async () => {
    await using service = await start();
    const idle = service.open(GOOD);
    await idle.waitFor(/"user":"alice"/);
    const [creds, ready] = ["POST /creds", "GET /readyz"].map((line) =>
      service.open(`${line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`),
    );
    // Both halves are on this machine's side of the connection before the next request is sent.
    await Promise.all([creds?.send("X-A: a\r\n"), ready?.send("X-A: a\r\n")]);
    expect((await service.get("/readyz")).status).toBe(200);

    service.kill("SIGTERM");
    await idle.closed;
    creds?.write(`Content-Length: ${BODY.length}\r\n\r\n${BODY}`);
    ready?.write("\r\n");
    expect(await creds?.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*"user":"alice"/);
    expect(await ready?.closed).toMatch(/^HTTP\/1.1 503 /);
    expect(await service.ended).toBe(0);
  });

  test("a request that waits for others is answered when they are; nobody new gets in meanwhile", async () => {
    await using service = await startHeld();
    const idle = service.open("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await idle.waitFor(/200 OK/);
    const held = service.open(GOOD);
    const release = await asked.promise;

    service.kill("SIGTERM");
    await idle.closed;
    const late = connect(service.port, "127.0.0.1");
    const [error] = await once(late, "error");
    expect(error.code).toBe("ECONNREFUSED");
    release();
    expect(await held.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*"user":"alice"/);
    expect(await service.ended).toBe(0);
  });
});

test("a request that never ends does not keep it: it ends with 0, and the connection is closed without an answer", async () => {
  await using service = await startHeld();
  const held = service.open(GOOD);
  await asked.promise;
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  expect(await held.closed).toBe("");
});

test("the second signal ends it at once, whatever has begun", async () => {
  await using service = await startHeld();
  const idle = service.open("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await idle.waitFor(/200 OK/);
  const held = service.open(GOOD);
  const release = await asked.promise;
  service.kill("SIGTERM");
  await idle.closed;
  service.kill("SIGINT");
  expect(await service.ended).toBe(0);
  expect(await held.closed).toBe("");
  release();
});
