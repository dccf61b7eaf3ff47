import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { freePorts } from "../ports.ts";
import { type Environment, exchange, makeEnvironment, runService, within } from "./parts.ts";

/** Input that is not valid HTTP. The service keeps running and still issues credentials. */

let environment: Environment;
let port: number;
let service: ReturnType<typeof runService>;

beforeAll(async () => {
  environment = await makeEnvironment();
  [port = 0] = await freePorts(1);
  service = runService(
    [process.execPath, "--no-env-file", join(import.meta.dirname, "../../src/service/main.ts")],
    {
      PATH: process.env.PATH ?? "",
      MINT_AUTH: "dev",
      MINT_PORT: String(port),
      MINT_RATE_LIMIT: "off",
      MINT_KEYS_DIR: environment.recipe.env.KEYS_DIR ?? "",
    },
  );
  await service.waitFor(/mint listens on/);
});
afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await environment[Symbol.asyncDispose]();
});

const BODY = '{"user":"alice"}';
const LINE = "POST /creds HTTP/1.1\r\n";
const HOST = "Host: localhost\r\n";
const TYPE = "Content-Type: application/json\r\n";
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CLOSE = "Connection: close\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const HEAD = LINE + HOST + TYPE;
const GOOD = `${HEAD}${LENGTH}${CLOSE}\r\n${BODY}`;

/** The statuses of all responses on one connection, until it was closed. */
async function statuses(request: string | Uint8Array): Promise<number[]> {
  const response = await exchange(port, request);
  return [...response.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status));
}

test("a valid request, written by hand, gets a credential", async () => {
  expect(await exchange(port, GOOD)).toMatch(/^HTTP\/1\.1 200 [\s\S]*"user":"alice"/);
});

describe("the service issues no credential and closes the connection for", () => {
  const refused: Record<string, [request: string, statuses: number[]]> = {
    "a body announced as longer than 8 KiB": [`${HEAD}Content-Length: 8193\r\n\r\n`, [413]],
    "a body in chunks of more than 8 KiB": [
      `${HEAD}${CHUNKED}\r\n${`1000\r\n${" ".repeat(4096)}\r\n`.repeat(3)}`,
      [413],
    ],
    "one chunk announced as enormous": [`${HEAD}${CHUNKED}\r\nFFFFFFFFFFFFFFFFFF\r\n${BODY}`, [400]],
    "a chunk without a size": [`${HEAD}${CHUNKED}\r\nZZ\r\n${BODY}`, [400]],
    "a length above the largest number": [
      `${HEAD}Content-Length: 99999999999999999999\r\n\r\n${BODY}`,
      [400],
    ],
    "a negative length": [`${HEAD}Content-Length: -16\r\n\r\n${BODY}`, [400]],
    "a length with a sign": [`${HEAD}Content-Length: +16\r\n\r\n${BODY}`, [400]],
    "two lengths": [`${HEAD}${LENGTH}Content-Length: 5\r\n\r\n${BODY}`, [400]],
    "a length and chunks": [`${HEAD}Content-Length: 5\r\n${CHUNKED}\r\n10\r\n${BODY}\r\n0\r\n\r\n`, [400]],
    "an encoding that is not supported": [
      `${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n10\r\n${BODY}\r\n0\r\n\r\n`,
      [400],
    ],
    "a body longer than announced": [`${HEAD}Content-Length: 5\r\n\r\n${BODY}`, [400, 400]],
    "a giant header": [`${HEAD}X-A: ${"a".repeat(100_000)}\r\n\r\n`, [431]],
    "ten thousand headers": [`${HEAD}${"X-A: a\r\n".repeat(10_000)}\r\n`, [431]],
    "a giant path": [`POST /${"a".repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`, [431]],
    garbage: ["\0\u00ff garbage\r\n\r\n", [400]],
    TLS: ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]],
    "no host": [`${LINE}${TYPE}${LENGTH}${CLOSE}\r\n${BODY}`, [400]],
    "no host, in HTTP/1.0": [`POST /creds HTTP/1.0\r\n${TYPE}${LENGTH}\r\n${BODY}`, [403]],
    "two hosts, the valid one first": [`${HEAD}Host: evil.org\r\n${LENGTH}${CLOSE}\r\n${BODY}`, [403]],
    "two hosts, the valid one last": [
      `${LINE}Host: evil.org\r\n${HOST}${TYPE}${LENGTH}${CLOSE}\r\n${BODY}`,
      [403],
    ],
    "a host over two lines": [
      `${LINE}Host: evil.org\r\n localhost\r\n${TYPE}${LENGTH}${CLOSE}\r\n${BODY}`,
      [400],
    ],
    "a host with a blank before the colon": [
      `${LINE}Host : localhost\r\n${TYPE}${LENGTH}${CLOSE}\r\n${BODY}`,
      [400],
    ],
    "JSON eight thousand levels deep": [
      `${HEAD}Content-Length: 8000\r\n${CLOSE}\r\n${"[".repeat(8000)}`,
      [400],
    ],
    "a path that is similar but different": [GOOD.replace("/creds", "//creds"), [404]],
    "a method in a header": [
      GOOD.replace("POST", "PUT").replace("\r\n", "\r\nX-HTTP-Method-Override: POST\r\n"),
      [405],
    ],
  };
  for (const [what, [request, expected]] of Object.entries(refused)) {
    test(what, async () => {
      expect(await statuses(request)).toEqual(expected);
    });
  }

  test("an unknown host, on a connection with a response for a known one before", async () => {
    const first = `${HEAD}${LENGTH}\r\n${BODY}`;
    expect(await statuses(first + GOOD.replace("localhost", "evil.org"))).toEqual([200, 403]);
  });

  test("garbage after a valid request, which gets its response", async () => {
    expect(await statuses(`${HEAD}${LENGTH}\r\n${BODY}GARBAGE / FOO\r\n\r\n`)).toEqual([200, 505]);
  });

  test("a request that takes too long, even if it sends a byte every second", async () => {
    const begin = performance.now();
    await Promise.all(
      [`${HEAD}Content-Length: 500\r\n\r\n{`, `${HEAD}X-Slow: a`].flatMap((start) => [
        drip(start, undefined),
        drip(start, " "),
      ]),
    );
    expect(performance.now() - begin).toBeGreaterThan(5000);
  });
});

describe("clients that close the connection", () => {
  test("in the middle of a body are handled like an invalid body, without an error", async () => {
    const before = service.output().length;
    for (const start of [`${HEAD}Content-Length: 500\r\n\r\n{`, `${HEAD}${CHUNKED}\r\n10\r\n${BODY}\r\n`]) {
      for (let i = 0; i < 20; i++) {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        await new Promise((sent) => socket.write(start, sent));
        socket.destroy();
      }
    }
    expect(await statuses(GOOD)).toEqual([200]);
    const output = () => service.output().slice(before);
    while (!output().includes('"granted"')) await Bun.sleep(5);
    const lines = output().trim().split("\n");
    const codes = lines.map((line) => JSON.parse(line).code ?? "granted");
    expect(codes.filter((code) => !["invalid_json", "granted"].includes(code))).toEqual([]);
  });
});

test("a health check in HTTP/1.0 without a host gets a response", async () => {
  expect(await statuses("GET /healthz HTTP/1.0\r\n\r\n")).toEqual([200]);
});

test("after all of that the service has logged no error, and issues credentials", async () => {
  expect(await statuses(GOOD)).toEqual([200]);
  // Its whole output are lines of its log; a crash would print something else.
  const lines = service.output().trim().split("\n");
  const levels = lines.map((line) => JSON.parse(line).level);
  expect(levels.filter((level) => level !== "info" && level !== "warn")).toEqual([]);
  expect(service.output()).not.toMatch(/unexpected/i);
});

/** Starts a request and sends a byte a second, until the service closes the connection. */
async function drip(start: string, byte: string | undefined): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  socket.write(start);
  const timer = byte ? setInterval(() => socket.write(byte), 1000) : undefined;
  // not `once`: it rejects on a reset
  const closed = new Promise((resolve) => socket.on("close", resolve));
  await within(closed, "the connection to be closed");
  clearInterval(timer);
}
