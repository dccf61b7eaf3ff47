import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { BODY, CONTINUE, GOOD, HALF, REST, start } from "./service.ts";

/** How the service stops: requests that have begun are finished, no new ones are accepted, and it always exits. */

/** The service that authentication waits for. It responds when a test releases the response. */
let elsewhere: Bun.Server<undefined>;
let lookup = Promise.withResolvers<() => void>();

beforeAll(() => {
  elsewhere = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: () => new Promise<Response>((resolve) => lookup.resolve(() => resolve(new Response("alice")))),
  });
});
afterAll(() => elsewhere.stop(true));

const HELD = "tests/edge/held-service.ts";
const startHeld = () => {
  lookup = Promise.withResolvers();
  return start({ HELD_BY: `http://127.0.0.1:${elsewhere.port}` }, HELD);
};

describe("on the first signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal}: a request whose body is half sent gets its response, idle connections are closed, and the exit code is 0`, async () => {
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

  test("a request whose head is half sent gets its response; /readyz responds with 503", async () => {
    await using service = await start();
    const idle = service.open(GOOD);
    await idle.waitFor(/"user":"alice"/);
    const [creds, ready] = ["POST /creds", "GET /readyz"].map((line) =>
      service.open(`${line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`),
    );
    // The kernel has both halves before the next request is sent.
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

  test("a request that waits for another service gets its response; new connections are refused meanwhile", async () => {
    await using service = await startHeld();
    const idle = service.open("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await idle.waitFor(/200 OK/);
    const held = service.open(GOOD);
    const release = await lookup.promise;

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

test("a request that never ends does not prevent the exit with code 0; its connection is closed without a response", async () => {
  await using service = await startHeld();
  const held = service.open(GOOD);
  await lookup.promise;
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  expect(await held.closed).toBe("");
});

test("the second signal ends the service at once, whatever has begun", async () => {
  await using service = await startHeld();
  const idle = service.open("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await idle.waitFor(/200 OK/);
  const held = service.open(GOOD);
  const release = await lookup.promise;
  service.kill("SIGTERM");
  await idle.closed;
  service.kill("SIGINT");
  expect(await service.ended).toBe(0);
  expect(await held.closed).toBe("");
  release();
});
