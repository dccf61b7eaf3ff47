import { describe, expect, test } from "bun:test";
import { createOutput, LAUNCHER } from "./output.ts";

function capture({ isTTY = false, env = {} as Record<string, string>, columns = 200 } = {}) {
  let [stdout, stderr] = ["", ""];
  let time = 0;
  const output = createOutput({
    stdout: { isTTY, columns, write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    env,
    now: () => time,
  });
  return {
    output,
    stdout: () => stdout,
    stderr: () => stderr,
    json: () =>
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

const MINT_LINE = `{"level":"info","time":"2026-01-02T03:04:05.678Z","audit":"granted","user":"ali ce","tags":{"room":"lobby"},"msg":"credential granted"}`;

describe("on a terminal", () => {
  test("lines are plain, and in colour unless NO_COLOR or a dumb terminal forbids it", () => {
    const plain = capture({ isTTY: true, env: { NO_COLOR: "1" } });
    const dumb = capture({ isTTY: true, env: { TERM: "dumb" } });
    const coloured = capture({ isTTY: true, env: { NO_COLOR: "", TERM: "xterm" } });
    for (const { output } of [plain, dumb, coloured]) {
      output.line({ level: "info", source: LAUNCHER, msg: "hello" });
      output.child("nats-init", "info", "nats-init: role browser: added");
      output.child("nats-init", "warn", "something of nsc");
      output.block((style) => style("bold", "Ready."), { level: "info", source: LAUNCHER, msg: "Ready." });
    }
    const text = "hello\nnats-init: role browser: added\nnats-init: something of nsc\nReady.\n";
    expect(plain.stdout()).toBe(text);
    expect(dumb.stdout()).toBe(text);
    expect(coloured.stdout()).toContain("\x1b[33msomething of nsc\x1b[39m");
    expect(Bun.stripANSI(coloured.stdout())).toBe(text);
  });

  test("the mint's log is plain too, with the fields of its lines", () => {
    const { output, stdout } = capture({ isTTY: true, env: { NO_COLOR: "1" } });
    output.child("mint", "info", MINT_LINE);
    expect(stdout()).toMatch(
      /^\d\d:\d\d:\d\d mint: credential granted audit=granted user="ali ce" tags=\{"room":"lobby"\}\n$/,
    );
  });

  test("text from outside can't control the terminal", () => {
    const { output, stdout, stderr } = capture({ isTTY: true, env: { NO_COLOR: "1" } });
    output.child("mint", "info", MINT_LINE.replace("ali ce", "\\u001b]0;x\\u0007\\u202e"));
    output.child("mint", "info", MINT_LINE.replace("credential granted", "\\u001b[2J"));
    output.child("nats-push", "warn", "nats-push: \x1b[2J");
    output.line({ level: "error", source: LAUNCHER, msg: "two\nlines\x1b[2J" });
    expect((stdout() + stderr()).replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(stderr()).toBe("two\nlines [2J\n");
  });

  test("progress stays in one line, which the next one replaces", () => {
    const { output, stdout } = capture({ isTTY: true, env: { NO_COLOR: "1" }, columns: 30 });
    output.progress("1 of 2 packages");
    output.progress("2 of 2 packages, and far too much text for this line");
    output.line({ level: "info", source: LAUNCHER, msg: "next" });
    output.done();
    expect(stdout()).toBe("\r\x1b[K1 of 2 packages\r\x1b[K2 of 2 packages, and far too \r\x1b[Knext\n");
  });
});

describe("elsewhere", () => {
  test("every line is a JSON object, in the form of the mint's log", () => {
    const { output, json, stdout } = capture();
    output.line({ level: "info", source: LAUNCHER, msg: 'a "quoted"\ntext', fields: { port: 1 } });
    output.child("nats-init", "warn", "nats-init: role browser: added");
    output.child("mint", "warn", "not JSON");
    output.block(() => "for people", { level: "info", source: LAUNCHER, msg: "for programs" });
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(json()).toEqual([
      { level: "info", time, source: "npm start", msg: 'a "quoted"\ntext', port: 1 },
      { level: "warn", time, source: "nats-init", msg: "role browser: added" },
      { level: "warn", time, source: "mint", msg: "not JSON" },
      { level: "info", time, source: "npm start", msg: "for programs" },
    ]);
    expect(stdout()).not.toContain("\x1b");
  });

  test("lines of the mint's log are unchanged", () => {
    const { output, stdout } = capture();
    output.child("mint", "info", MINT_LINE);
    expect(stdout()).toBe(`${MINT_LINE}\n`);
  });

  test("errors are on standard error", () => {
    const { output, stdout, stderr } = capture();
    output.line({ level: "error", source: LAUNCHER, msg: "no" });
    expect(stdout()).toBe("");
    expect(JSON.parse(stderr())).toMatchObject({ level: "error", source: "npm start", msg: "no" });
  });

  test("progress is a line every ten seconds", () => {
    const { output, json, pass } = capture();
    for (let done = 0; done <= 25; done++) {
      output.progress(`${done} of 25`, { done });
      pass(1000);
    }
    expect(json().map(({ done }) => done)).toEqual([0, 10, 20]);
  });
});
