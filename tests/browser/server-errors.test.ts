import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isRefusal, readDenial } from "../../src/browser/transport/server-errors.ts";
import { open } from "../edge/service.ts";
import { makeRecipe, type Recipe } from "../recipe/recipe.ts";

/** The `-ERR` lines of a real server, on a raw connection. */

const LOGIN = 'CONNECT {"verbose":false,"pedantic":false,"protocol":1,"user":"alice","pass":"secret"}\r\n';

let recipe: Recipe;
let port: number;
let server: Bun.Subprocess<"ignore", "ignore", "pipe">;

beforeAll(async () => {
  recipe = await makeRecipe();
  port = recipe.ports.nats;
  const config = `${recipe.dir}/alice.conf`;
  await Bun.write(
    config,
    `listen: "127.0.0.1:${port}"
     authorization { users: [{ user: alice, password: secret, permissions: { publish: mine, subscribe: mine } }] }`,
  );
  server = Bun.spawn(["nats-server", "-c", config], { env: recipe.env, stderr: "pipe", stdout: "ignore" });
  const ready = Promise.withResolvers<void>();
  void (async () => {
    for await (const text of server.stderr.pipeThrough(new TextDecoderStream())) {
      if (text.includes("Server is ready")) ready.resolve();
    }
  })();
  await ready.promise;
});
afterAll(async () => {
  server?.kill();
  await server?.exited;
  await recipe?.[Symbol.asyncDispose]();
});

/** The `-ERR` lines that the server sends for these commands. */
async function errorsOf(commands: string): Promise<string[]> {
  const connection = open(port, `${LOGIN}PING\r\n`);
  await connection.waitFor(/PONG/);
  await connection.send(`${commands}PING\r\n`);
  await connection.waitFor(/PONG[\s\S]*PONG/);
  connection.destroy();
  await connection.closed;
  return errorLines(connection.output());
}

const errorLines = (text: string): string[] => text.match(/^-ERR .*(?=\r$)/gm) ?? [];

const SUBJECTS = [
  "x.authorization.violation",
  "a.authenti",
  "Authorization",
  "'Authorization.Violation'",
  "-ERR.'User.Authentication.Expired'",
  'a."quoted".b',
  'ends.with."',
  "back\\slash\\",
  '\\"',
  '"\\x41\\u0041',
  "Zoë.東京.😀",
  "no\u00a0break.zero\u200bwidth.\u{e0001}",
  "bell\u0007.vertical\u000b.one\u0001.delete\u007f",
];

describe("a denied subject is read as it is, and is not taken for a refused credential", () => {
  for (const subject of SUBJECTS) {
    test(JSON.stringify(subject), async () => {
      const queue = `q.${subject}`;
      const lines = await errorsOf(
        `PUB ${subject} 0\r\n\r\nSUB ${subject} 1\r\nSUB ${subject} ${queue} 2\r\nUNSUB 1\r\nUNSUB 2\r\n`,
      );
      expect(lines.filter(isRefusal)).toEqual([]);
      const subscription = { type: "denied", operation: "subscription", subject } as const;
      expect(lines.map(readDenial)).toEqual([
        { type: "denied", operation: "publish", subject },
        subscription,
        { ...subscription, queue },
      ]);
    });
  }
});

test("other errors are neither a refusal nor a denial", async () => {
  const text = await open(port, `${LOGIN}authorization.violation\r\n`).closed;
  const [line = ""] = errorLines(text);
  expect(line).toBe("-ERR 'Unknown Protocol Operation'");
  expect([isRefusal(line), readDenial(line)]).toEqual([false, undefined]);
});

test("a denial whose quote is not closed takes no time to read", () => {
  for (const part of ["\\a", "\\\\", "\\x41", '\\"']) {
    for (const operation of ["Publish", "Subscription"]) {
      const start = `-ERR 'Permissions Violation for ${operation} to "`;
      expect(readDenial(start + part.repeat(10_000))).toBeUndefined();
      expect(readDenial(`${start}a" using queue "${part.repeat(10_000)}`)).toMatchObject({ subject: "a" });
    }
  }
});

describe("a refused credential is", () => {
  test("one that the server does not accept", async () => {
    const text = await open(port, LOGIN.replace("secret", "wrong")).closed;
    expect(errorLines(text).filter(isRefusal)).toHaveLength(1);
  });

  test("not one that was sent too late to be checked", async () => {
    const text = await open(port, "").closed;
    const lines = errorLines(text);
    expect(lines).toEqual(["-ERR 'Authentication Timeout'"]);
    expect(lines.filter(isRefusal)).toEqual([]);
  });
});
