import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type User, useEnvironment } from "./environment.ts";
import type { ClientName } from "./page/clients.ts";
import type { Outcome, Task } from "./page/program.ts";
import { disturbances } from "./scenario.ts";
import { bundle } from "./site.ts";

/** Live credentials where there is no page: in a worker, and in runtimes without a browser. */

const environment = useEnvironment();
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "program-"));
  writeFileSync(join(dir, "program.mjs"), await bundle("page/program.ts", "esm", "node"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const RUN = `
  import { work } from "./program.mjs";
  console.log(JSON.stringify(await work(JSON.parse(process.argv.at(-1)))));
`;

/** Runs the program in a process. It ends by itself: no timer and no socket is left. */
async function runIn(command: readonly string[], task: Task): Promise<Outcome> {
  writeFileSync(join(dir, "run.mjs"), RUN);
  const child = Bun.spawn([...command, "run.mjs", JSON.stringify(task)], { cwd: dir, stderr: "inherit" });
  const output = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return JSON.parse(output);
}

const RUNTIMES: Record<string, (user: User, task: Task) => Promise<Outcome>> = {
  // Without the option, Node has a WebSocket from version 22 on.
  Node: (_, task) => runIn(["node", "--experimental-websocket", "--no-warnings"], task),
  Bun: (_, task) => runIn([process.execPath], task),
  "a web worker": async (user, task) => {
    const page = await user.open();
    return page.evaluate(
      (task) =>
        new Promise<Outcome>((resolve, reject) => {
          const worker = new Worker("/worker.js", { type: "module" });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage(task);
        }),
      task,
    );
  },
};

/** What React Native does not have. */
const LIKE_REACT_NATIVE = [
  "addEventListener",
  "removeEventListener",
  "document",
  "navigator",
  "location",
  "subtle",
];

async function run(
  runtime: string,
  client: ClientName,
  { missing = [], passed = [] }: Partial<Task> = {},
): Promise<Outcome & { user: User }> {
  await using user = await environment.user();
  const task = {
    url: `${user.site.origin}/creds`,
    user: user.name,
    subject: user.subject("a"),
    client,
    missing,
    passed,
  };
  const outcome = await (RUNTIMES[runtime] as (user: User, task: Task) => Promise<Outcome>)(user, task);
  return { ...outcome, user };
}

async function expectToWork(outcome: Promise<Outcome & { user: User }>): Promise<void> {
  const { error, sent = 0, received, events, statuses = [], user } = await outcome;
  expect(error).toBeUndefined();
  expect(sent).toBeGreaterThan(50);
  expect(received).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  expect(events?.slice(0, 5)).toEqual(["connected", "refreshing", "refreshed", "refreshing", "refreshed"]);
  expect(disturbances(statuses)).toEqual([]);
  expect(user.proxy.logins().length).toBe(3);
}

describe.each(Object.keys(RUNTIMES))("in %s,", (runtime) => {
  test.each(["nats.ws", "nats-core"] as const)("a %s connection is renewed and loses no message", (client) =>
    expectToWork(run(runtime, client)),
  );

  test.each(["nats.ws", "nats-core"] as const)(
    "a %s connection works with what React Native lacks passed as options",
    (client) =>
      expectToWork(
        run(runtime, client, {
          missing: [...LIKE_REACT_NATIVE, "WebSocket"],
          passed: ["nkeys", "webSocket"],
        }),
      ),
  );

  test.each([
    ["crypto", "Ed25519", "nkeys"],
    ["subtle", "Ed25519", "nkeys"],
    ["WebSocket", "WebSocket", "webSocket"],
  ])("without %s, the error names it and the option", async (name, what, option) => {
    const { error, user } = await run(runtime, "nats.ws", { missing: [name] });
    expect(error?.[0]).toBe("unsupported");
    expect(error?.[1]).toContain(what);
    expect(error?.[1]).toContain(`\`${option}\``);
    expect(user.site.requests).toEqual([]);
  });
});
