import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as openSocket } from "node:net";
import { connect } from "nats";
import { type BackendCredentials, liveCredentials } from "../../src/node/index.ts";
import { makeProxy } from "../browser/proxy.ts";
import { credentials, type Environment, exchange, makeEnvironment, within } from "../mint/parts.ts";

/** The port at 127.0.0.1 serves clients that have the token, and no other program of the machine. */

let environment: Environment;
let proxy: Awaited<ReturnType<typeof makeProxy>>;
let live: BackendCredentials;
let port: number;
let token: string;

beforeAll(async () => {
  environment = await makeEnvironment();
  proxy = await makeProxy({ targets: [Number(new URL(environment.url("tcp")).port)] });
  live = await liveCredentials(async ({ publicKey }) => {
    const request = { user: "printer", role: "service", public_key: publicKey };
    const response = await credentials(environment.app, request);
    return { ...response, servers: [`nats://localhost:${proxy.port}`] };
  });
  const options = await live.tcpOptions();
  port = Number(options.servers[0]?.split(":")[1]);
  token = options.token;
});
afterAll(async () => {
  live?.close();
  await proxy?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
});

const line = (options: unknown) => `CONNECT ${JSON.stringify(options)}\r\nPING\r\n`;

describe("a client is refused", () => {
  test.each<[string, () => string]>([
    ["without a token", () => line({ verbose: false })],
    ["with another token", () => line({ auth_token: `${token.slice(0, -1)}_` })],
    ["with a part of the token", () => line({ auth_token: token.slice(0, 20) })],
    ["with an empty token", () => line({ auth_token: "" })],
    ["with a token that is no text", () => line({ auth_token: [token] })],
    ["with the token as a password", () => line({ user: "printer", pass: token })],
    ["with the token in the JWT", () => line({ jwt: token })],
    ["that sends a PING first", () => `PING\r\n${line({ auth_token: token })}`],
    ["that publishes first", () => `PUB services.printer.x 1\r\nx\r\n${line({ auth_token: token })}`],
    ["that sends no JSON", () => "CONNECT token\r\n"],
    ["that sends null", () => "CONNECT null\r\n"],
    ["that sends a list", () => `CONNECT ["${token}"]\r\n`],
    ["that speaks HTTP", () => `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${token}\r\n\r\n`],
    ["that sends a line without an end", () => "CONNECT ".padEnd(5000, "x")],
  ])("%s", async (_, text) => {
    const response = await exchange(port, text());
    expect(response.replace(/^INFO .*\r\n/, "")).toBe("-ERR 'Authorization Violation'\r\n");
    // The server has got nothing of it.
    expect(
      proxy
        .lines()
        .map((connection) => connection.sent.toString())
        .join(""),
    ).toBe("");
  });

  test("by the client library, which says so", async () => {
    const { token: _, ...options } = await live.tcpOptions();
    await expect(connect({ ...options, reconnect: false, ignoreAuthErrorAbort: false })).rejects.toThrow(
      /Authorization Violation/,
    );
  });
});

test("each object with live credentials has a token of its own, which is long", async () => {
  const other = await liveCredentials(
    live.current.seed
      ? live.current
      : async ({ publicKey }) =>
          await credentials(environment.app, {
            user: "other",
            role: "service",
            public_key: publicKey,
          }),
  );
  const { token: another } = await other.tcpOptions();
  expect(another).not.toBe(token);
  expect(Buffer.from(token, "base64url").length).toBe(32);
  expect((await other.tcpOptions()).token).toBe(another);
  other.close();
});

test("a client with the token is served, and the server gets no token", async () => {
  const nc = await connect(await live.tcpOptions());
  const received = nc.subscribe("services.printer.x", { max: 1 });
  nc.publish("services.printer.x", "hello");
  for await (const message of received) expect(message.string()).toBe("hello");
  const sent = proxy.lines().map((connection) => connection.sent.toString());
  expect(sent.join("")).toContain("CONNECT");
  expect(sent.join("")).not.toContain(token);
  expect(sent.join("")).not.toContain("auth_token");
  await nc.close();
});

test("the INFO of the port has nothing of TLS, of a challenge or of other servers", async () => {
  const socket = openSocket(port, "127.0.0.1");
  const info = await within(
    new Promise<string>((resolve) => socket.once("data", (data) => resolve(String(data)))),
    "INFO",
  );
  socket.destroy();
  const fields = JSON.parse(info.replace("INFO ", ""));
  expect(fields).toMatchObject({ auth_required: true, headers: true });
  expect(Object.keys(fields).filter((name) => /tls|nonce|urls/.test(name))).toEqual([]);
});

test("the port listens at 127.0.0.1 only, and is closed with the credentials", async () => {
  const own = await liveCredentials(
    async ({ publicKey }) =>
      await credentials(environment.app, {
        user: "own",
        role: "service",
        public_key: publicKey,
      }),
  );
  const options = await own.tcpOptions();
  const nc = await connect(options);
  own.close();
  await within(nc.closed(), "the client to close");
  await expect(connect({ ...options, reconnect: false })).rejects.toThrow();
});
