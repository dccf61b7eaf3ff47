import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { within } from "../mint/parts.ts";

/** The log of a process that ends, in each way that it can end, and of a process whose log is not read. */

const program = join(import.meta.dirname, "program.ts");
const COUNT = 20_000;

function start(ending: string, count = COUNT) {
  return Bun.spawn([process.execPath, "--no-env-file", program, ending, String(count)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

type Program = ReturnType<typeof start>;

const linesOf = async ({ stdout }: Program) =>
  (await new Response(stdout).text())
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function* linesAsTheyCome({ stdout }: Program) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of stdout) {
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as Record<string, unknown>;
  }
}

/** Reads until the pattern matches. Only the end of the earlier output is kept, since it may be long. */
async function firstMatch(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<RegExpExecArray> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let end = "";
  try {
    for (;;) {
      const found = pattern.exec(end);
      if (found) return found;
      const { value, done } = await within(reader.read(), `${pattern}`, 60_000);
      if (done) throw new Error(`the output ended without ${pattern}:\n${end}`);
      end = end.slice(-1000) + decoder.decode(value, { stream: true });
    }
  } finally {
    reader.releaseLock();
  }
}

const reports = ({ stderr }: Program, pattern: RegExp) => firstMatch(stderr, pattern);

describe("no line is lost", () => {
  test.each([
    ["throw", 1],
    ["reject", 1],
    ["exit", 3],
  ])("when the program ends with %s", async (ending, code) => {
    const child = start(ending);
    const lines = await linesOf(child);
    expect(await child.exited).toBe(code);
    expect(lines.filter(({ msg }) => msg === "a line").map(({ line }) => line)).toEqual(
      Array.from({ length: COUNT }, (_, line) => line),
    );
  });

  test("when it is stopped", async () => {
    const child = start("wait");
    const lines = linesOf(child);
    await reports(child, /logged/);
    child.kill("SIGTERM");
    expect((await lines).length).toBe(COUNT + 1);
    expect((await lines).at(-1)).toMatchObject({ msg: "stopping", dropped: 0 });
    expect(await child.exited).toBe(0);
  });
});

test.each(["throw", "reject"])("an uncaught error is logged without its message (%s)", async (ending) => {
  const child = start(ending, 0);
  const [last] = await linesOf(child);
  expect(last).toMatchObject({
    level: "error",
    error: { name: "TypeError", at: [expect.stringContaining("program.ts")] },
  });
  expect(JSON.stringify(last)).not.toContain("eyJ");
  expect(await new Response(child.stderr).text()).not.toContain("eyJ");
});

test("a line is JSON with the time in ISO 8601, the level as a word, and no fields about the machine", async () => {
  const [line] = await linesOf(start("exit", 1));
  expect(Object.keys(line ?? {})).toEqual(["level", "time", "line", "padding", "msg"]);
  expect(line?.level).toBe("info");
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

describe("while it is not read,", () => {
  test("the program continues, and the buffer is bounded", async () => {
    const child = start("go on", 0);
    const [, , memory] = await reports(child, /dropped (\d+), memory (\d+)/);
    // 8 MiB of lines and the program itself. With all of its lines in memory it would exceed this by half.
    expect(Number(memory)).toBeLessThan(150 * 2 ** 20);
    child.kill("SIGTERM");
    await reports(child, /closed in/);
    expect(await child.exited).toBe(0);
  });

  test("and then is, it reports how many lines were lost", async () => {
    const child = start("go on", 0);
    await reports(child, /dropped (\d+)/);
    const lost = await firstMatch(child.stdout, /"lines":(\d+),"msg":"log lines were lost/);
    child.kill("SIGKILL");
    await child.exited;
    expect(Number(lost[1])).toBeGreaterThan(0);
  });

  test("every line is either written or counted as lost", async () => {
    const child = start("count", 0);
    await reports(child, /flooded/);
    let read = 0;
    let counts = 0;
    for await (const { msg, written, dropped } of linesAsTheyCome(child)) {
      // At the first, lines before it may not be written or dropped yet.
      if (msg === "count" && ++counts === 2) {
        expect(read + Number(dropped)).toBe(Number(written));
        break;
      }
      if (msg === "a line" || msg === "count") read++;
    }
    expect(counts).toBe(2);
    child.kill("SIGKILL");
    await child.exited;
  });
});
