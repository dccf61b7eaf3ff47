import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BODY, GOOD, HEAD, type Service, start } from "./service.ts";

/** Clients that try to block the service. It keeps running, and other clients get their credentials. */

let service: Service;

beforeAll(async () => {
  service = await start();
});
afterAll(() => service[Symbol.asyncDispose]());

const statuses = (response: string) =>
  [...response.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** Starts a request and adds to it in small pieces until the other side closes the connection. */
async function drip(begin: string, piece: string): Promise<string> {
  const connection = service.open(begin);
  const timer = setInterval(() => connection.write(piece), 100);
  try {
    return await connection.closed;
  } finally {
    clearInterval(timer);
  }
}

describe("the connection of a request that arrives in small pieces is closed", () => {
  const bodies: Record<string, [begin: string, piece: string]> = {
    "in its body": [`${HEAD}Content-Length: 8000\r\n\r\n`, " "],
    "in its chunks": [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
    "in the size of a chunk": [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, "0"],
  };
  for (const [where, [begin, piece]] of Object.entries(bodies)) {
    test.concurrent(`${where}, with 408`, async () => {
      const response = await drip(begin, piece);
      expect(statuses(response)).toEqual([408]);
      expect(response).toContain('"code":"request_timeout"');
    });
  }

  const heads: Record<string, [begin: string, piece: string]> = {
    "in its first line": ["GET /", "a"],
    "in a header": [`${HEAD}X-A: `, "a"],
    "between headers": [HEAD, "X-A: a\r\n"],
  };
  for (const [where, [begin, piece]] of Object.entries(heads)) {
    test.concurrent(`${where}, without a response`, async () => {
      expect(await drip(begin, piece)).toBe("");
    });
  }

  test.concurrent("after its response", async () => {
    const begin = "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    expect(statuses(await drip(begin, "x"))).toEqual([404]);
  });

  test.concurrent("when nothing arrives", async () => {
    expect(await service.open(HEAD).closed).toBe("");
    expect(statuses(await service.open(GOOD).closed)).toEqual([200]);
  });
});

describe("headers", () => {
  const CLOSE = `Connection: close\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
  const cases: Record<string, [request: string, status: number]> = {
    "that are large are accepted": [`${HEAD}X-A: ${"a".repeat(15_000)}\r\n${CLOSE}`, 200],
    "that are too large are refused": [`${HEAD}X-A: ${"a".repeat(17_000)}\r\n${CLOSE}`, 431],
    "that never end are refused": [`${HEAD}X-A: ${"a".repeat(1_000_000)}`, 431],
    "that are many are accepted": [`${HEAD}${"X-A: a\r\n".repeat(90)}${CLOSE}`, 200],
    "that are too many are refused": [`${HEAD}${"X-A: a\r\n".repeat(250)}${CLOSE}`, 431],
    "after a path that is too long are refused": [
      `GET /${"a".repeat(17_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      431,
    ],
  };
  for (const [what, [request, status]] of Object.entries(cases)) {
    test(what, async () => {
      expect(statuses(await service.open(request).closed)).toEqual([status]);
    });
  }
});

describe("a request that proxies and servers interpret differently is refused", () => {
  const CHUNKS = `10\r\n${BODY}\r\n0\r\n\r\n`;
  const shapes: Record<string, string> = {
    "a length and chunks": `${HEAD}Content-Length: 16\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
    "chunks and a length": `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 16\r\n\r\n${CHUNKS}`,
    "a list of lengths": `${HEAD}Content-Length: 16, 16\r\n\r\n${BODY}`,
    "chunks of chunks": `${HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n${CHUNKS}`,
    "an encoding like chunks": `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${CHUNKS}`,
    "a space before the colon": `${HEAD}Transfer-Encoding : chunked\r\n\r\n${CHUNKS}`,
    "chunks in HTTP/1.0": `${HEAD.replace("1.1", "1.0")}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
    "a header over two lines": `${HEAD}X-A: a\r\n b\r\nContent-Length: 16\r\n\r\n${BODY}`,
    "an encoding over two lines": `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n${CHUNKS}`,
    "a line that ends in LF": `${HEAD}X-A: a\nContent-Length: 16\r\n\r\n${BODY}`,
    "a line that ends in CR": `${HEAD}X-A: a\rContent-Length: 16\r\n\r\n${BODY}`,
    "a NUL in a header": `${HEAD}X-A: a\0\r\nContent-Length: 16\r\n\r\n${BODY}`,
    "a chunk's line that ends in LF": `${HEAD}Transfer-Encoding: chunked\r\n\r\n10\n${BODY}\r\n0\r\n\r\n`,
    "a chunk's size with 0x": `${HEAD}Transfer-Encoding: chunked\r\n\r\n0x10\r\n${BODY}\r\n0\r\n\r\n`,
    "a chunk longer than its size": `${HEAD}Transfer-Encoding: chunked\r\n\r\nF\r\n${BODY}\r\n0\r\n\r\n`,
  };
  for (const [what, request] of Object.entries(shapes)) {
    test(what, async () => {
      expect(statuses(await service.open(request).closed)).toEqual([400]);
    });
  }
});

describe("pipelined requests on one connection", () => {
  test("get their responses, and garbage after them ends the connection", async () => {
    const response = await service.open(`${GOOD.repeat(5)}\0garbage\r\n\r\n`).closed;
    expect(statuses(response)).toEqual([200, 200, 200, 200, 200, 400]);
  });

  test("of which the first must wait end the connection; other connections get their responses", async () => {
    const elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Promise<Response>(() => {}),
    });
    await using held = await start(
      { HELD_BY: `http://127.0.0.1:${elsewhere.port}` },
      "tests/edge/held-service.ts",
    );
    expect(await held.open(GOOD + GOOD).closed).toBe("");
    expect((await held.get("/healthz")).status).toBe(200);
    await elsewhere.stop(true);
  });
});

describe("a flood", () => {
  test("of incomplete requests blocks no other client, and is over after a time", async () => {
    const halves = [
      "POST /cr",
      HEAD,
      `${HEAD}Content-Length: 500\r\n\r\n{`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\n{"us`,
    ];
    // With higher limits than the service's own, so that it is never too busy for a request on a slow machine.
    await using lenient = await start({ IN_FLIGHT: "2000", BODIES: "2000" }, "tests/edge/held-service.ts");
    const flood = [lenient, service].flatMap((target) =>
      Array.from({ length: 400 }, () => halves.map((half) => target.open(half))).flat(),
    );
    for (let i = 0; i < 20; i++) {
      expect((await lenient.requestCreds()).status).toBe(200);
      expect((await lenient.get("/healthz")).status).toBe(200);
      expect((await service.requestCreds()).status).toBeOneOf([200, 503]);
      expect((await service.get("/healthz")).status).toBe(200);
    }
    await Promise.all(flood.map(({ closed }) => closed));
    expect((await lenient.requestCreds()).status).toBe(200);
    expect((await service.requestCreds()).status).toBe(200);
  });

  test("of requests without their bodies is refused above a number; others get their responses meanwhile", async () => {
    await using small = await start({ BODIES: "20" }, "tests/edge/held-service.ts");
    const begin = `${HEAD}Content-Length: 500\r\n\r\n{`;
    const flood = Array.from({ length: 60 }, () => small.open(begin));
    for (let i = 0; i < 20; i++) {
      expect((await small.requestCreds()).status).toBe(200);
      expect((await small.get("/healthz")).status).toBe(200);
    }
    const responses = await Promise.all(flood.map(({ closed }) => closed));
    expect(responses.flatMap(statuses)).toEqual(Array(60).fill(408));
    expect(
      responses.filter((response) => response.includes("its place was needed")).length,
    ).toBeGreaterThanOrEqual(40);
  });

  test("of requests that must wait is refused above a number; health checks get their responses", async () => {
    const release = Promise.withResolvers<void>();
    await using elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => release.promise.then(() => new Response("alice")),
    });
    const held = { HELD_BY: `http://127.0.0.1:${elsewhere.port}`, IN_FLIGHT: "5" };
    await using small = await start(held, "tests/edge/held-service.ts");
    const flood = Array.from({ length: 6 }, () => small.requestCreds());
    const refused = await Promise.race(flood);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: "overloaded" });
    expect(refused.headers.get("Retry-After")).toBe("1");
    expect((await small.get("/healthz")).status).toBe(200);
    expect((await small.get("/readyz")).status).toBe(200);
    // A request without its body does not count among them.
    const one = small.open(`${HEAD}Content-Length: 500\r\n\r\n{`);
    release.resolve();
    const rest = (await Promise.all(flood)).map(({ status }) => status).sort();
    expect(rest).toEqual([200, 200, 200, 200, 200, 503]);
    expect(statuses(await one.closed)).toEqual([408]);
  });

  test("of requests whose clients disconnect does not count against others", async () => {
    let arrived = Promise.withResolvers<void>();
    let count = 0;
    await using elsewhere = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch() {
        count++;
        arrived.resolve();
        return new Promise<Response>(() => {});
      },
    });
    const held = { HELD_BY: `http://127.0.0.1:${elsewhere.port}`, IN_FLIGHT: "5" };
    await using small = await start(held, "tests/edge/held-service.ts");
    for (let round = 1; round <= 3; round++) {
      const flood: ReturnType<typeof small.open>[] = [];
      while (count < 5 * round) {
        arrived = Promise.withResolvers();
        const connection = small.open(GOOD);
        flood.push(connection);
        await Promise.race([arrived.promise, connection.waitFor(/HTTP\/1\.1 503 /)]);
      }
      expect((await small.requestCreds()).status).toBe(503);
      for (const connection of flood) connection.reset();
      await Promise.all(flood.map(({ closed }) => closed));
    }
  });
});

describe("limits", () => {
  const settings = { MINT_RATE_LIMIT: "2,1000" };
  const count = (responses: Response[]) => {
    const ok = responses.filter(({ status }) => status === 200).length;
    return [ok, responses.filter(({ status }) => status === 429).length];
  };

  test("apply to an address, whatever X-Forwarded-For it sends, in HTTP/1.0 too", async () => {
    await using limited = await start(settings);
    const responses: Response[] = [];
    for (let i = 0; i < 30; i++)
      responses.push(await limited.requestCreds({ "X-Forwarded-For": `198.51.100.${i}` }));
    expect(count(responses)).toEqual([2, 28]);
    const old = await limited.open(GOOD.replace("HTTP/1.1", "HTTP/1.0")).closed;
    expect(statuses(old)).toEqual([429]);
    expect((await limited.get("/healthz")).status).toBe(200);
  });

  test("apply to the address that a trusted proxy names, and to no other", async () => {
    await using limited = await start({ ...settings, MINT_TRUSTED_PROXIES: "127.0.0.0/8, ::1" });
    const responses: Response[] = [];
    for (let i = 0; i < 30; i++) {
      responses.push(await limited.requestCreds({ "X-Forwarded-For": `198.51.100.${i}, 192.0.2.1` }));
    }
    expect(count(responses)).toEqual([2, 28]);
    expect((await limited.requestCreds({ "X-Forwarded-For": "192.0.2.2" })).status).toBe(200);
  });

  test("apply to clients that reset their connections before a response", async () => {
    await using limited = await start(settings);
    for (let i = 0; i < 200; i++) {
      const connection = limited.open("");
      await connection.send(GOOD);
      connection.reset();
    }
    while ((await limited.requestCreds()).status === 200);
    const lines = limited.output().match(/^.*"audit":"granted".*$/gm) ?? [];
    expect(lines.filter((line) => !JSON.parse(line).address)).toEqual([]);
    expect(lines.length).toBeLessThan(50);
  });

  test("come with a Retry-After", async () => {
    await using limited = await start(settings);
    let refused: Response;
    do refused = await limited.requestCreds();
    while (refused.status === 200);
    expect(refused.headers.get("Retry-After")).toMatch(/^[1-9]\d?$/);
  });
});

test("after all of that the service issues credentials, and has logged no unexpected error", async () => {
  expect((await service.requestCreds()).status).toBe(200);
  expect(service.output()).not.toMatch(/"level":"(error|fatal)"|unexpected/);
});
