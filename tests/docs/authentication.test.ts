import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readLocalConfig } from "../../src/config/local.ts";
import { prepareTools } from "../../src/local/tools.ts";
import { freePorts } from "../ports.ts";
import { blocks } from "./markdown.ts";

const config = readLocalConfig();
const document = readFileSync(join(config.projectDir, "docs/AUTHENTICATION.md"), "utf8");
const END_OF_BLOCK = "==== end of block ====";

interface Step {
  readonly commands: string;
  /** The expected output, with … for what differs. */
  readonly expected: string;
}

/** Each sh block, with the text block after it, if there is one. */
function steps(): Step[] {
  const all = blocks(document);
  return all.flatMap(({ language, text }, i) => {
    const next = all[i + 1];
    const expected = next?.language === "text" ? next.text : "";
    return language === "sh" ? [{ commands: text, expected }] : [];
  });
}

/** A line with only … matches any lines, or none; … within a line matches any text. */
function pattern(expected: string): RegExp {
  const lines = expected.split("\n").map((line) => {
    if (line === "…") return "(?:.*\\n)*?";
    return `${line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*")}\\n`;
  });
  return new RegExp(`^${lines.join("").slice(0, -2)}$`);
}

/** Runs the blocks in one shell, in the checkout, and returns the output of each. */
async function runAll(blocksToRun: readonly string[]): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "authentication-"));
  const [port] = await freePorts(1);
  const script = join(dir, "script");
  const output = join(dir, "output");
  writeFileSync(script, blocksToRun.map((block) => `${block}echo '${END_OF_BLOCK}'\n`).join(""));
  const file = openSync(output, "w");
  // In its own process group, so that everything can be ended if something fails.
  const shell = spawn("sh", [script], {
    cwd: config.projectDir,
    detached: true,
    stdio: ["ignore", file, file],
    env: {
      ...config.environment,
      PATH: await prepareTools(config),
      TMPDIR: dir,
      DEMO_PORT: String(port),
    },
  });
  const timer = setTimeout(killGroup, 110_000);
  function killGroup(): void {
    try {
      process.kill(-(shell.pid as number), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  try {
    await new Promise((resolve) => shell.once("exit", resolve));
    return readFileSync(output, "utf8")
      .replace(/[ \t]+$/gm, "")
      .split(`${END_OF_BLOCK}\n`)
      .slice(0, -1);
  } finally {
    clearTimeout(timer);
    killGroup();
    rmSync(dir, { recursive: true, force: true });
  }
}

test("every block of docs/AUTHENTICATION.md runs, and prints exactly the text after it", async () => {
  const all = steps();
  const printed = await runAll(all.map(({ commands }) => commands));
  for (const [i, { commands, expected }] of all.entries()) {
    expect(`${commands}---\n${printed[i] ?? "did not run\n"}`).toMatch(after(`${commands}---\n`, expected));
  }
  expect(printed).toHaveLength(all.length);
});

/** The pattern of the expected output after a literal text, which names the block in a failure. */
function after(text: string, expected: string): RegExp {
  return new RegExp(pattern(text).source.slice(0, -1) + pattern(expected).source.slice(1));
}

test("a pattern matches the expected output only", () => {
  expect("a\nb\n").toMatch(pattern("a\nb\n"));
  expect("").toMatch(pattern(""));
  expect("a\nb\n").not.toMatch(pattern("a\n"));
  expect("a\n").not.toMatch(pattern(""));
  expect("a\nx\ny\nb\n").toMatch(pattern("a\n…\nb\n"));
  expect("a\nb\n").toMatch(pattern("a\n…\nb\n"));
  expect("a\nb\n").not.toMatch(pattern("a…b\n"));
  expect('key "A12"\n').toMatch(pattern('key "A…"\n'));
});
