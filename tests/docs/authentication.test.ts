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
  /** What it prints, with … for what differs. */
  readonly claim: string;
}

/** Each sh block, with the text block behind it, if there is one. */
function steps(): Step[] {
  const all = blocks(document);
  return all.flatMap(({ language, text }, i) => {
    const next = all[i + 1];
    const claim = next?.language === "text" ? next.text : "";
    return language === "sh" ? [{ commands: text, claim }] : [];
  });
}

/** A line of … alone stands for any lines, or none; elsewhere … stands for any text within a line. */
function pattern(claim: string): RegExp {
  const lines = claim.split("\n").map((line) => {
    if (line === "…") return "(?:.*\\n)*?";
    return `${line.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*")}\\n`;
  });
  return new RegExp(`^${lines.join("").slice(0, -2)}$`);
}

/** Runs the blocks in one shell, in the checkout, as a reader would, and gives what each of them printed. */
async function runAll(blocksToRun: readonly string[]): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), "authentication-"));
  const [port] = await freePorts(1);
  const script = join(dir, "script");
  const output = join(dir, "output");
  writeFileSync(script, blocksToRun.map((block) => `${block}echo '${END_OF_BLOCK}'\n`).join(""));
  const file = openSync(output, "w");
  // A group of its own, so that nothing is left of it, whatever goes wrong.
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

test("every block of docs/AUTHENTICATION.md runs, and prints what stands behind it and nothing else", async () => {
  const all = steps();
  const printed = await runAll(all.map(({ commands }) => commands));
  for (const [i, { commands, claim }] of all.entries()) {
    expect(`${commands}---\n${printed[i] ?? "did not run\n"}`).toMatch(after(`${commands}---\n`, claim));
  }
  expect(printed).toHaveLength(all.length);
});

/** The pattern of a claim behind a literal text, which makes a failure say which block it was. */
function after(text: string, claim: string): RegExp {
  return new RegExp(pattern(text).source.slice(0, -1) + pattern(claim).source.slice(1));
}

test("a claim says no more and no less than it says", () => {
  expect("a\nb\n").toMatch(pattern("a\nb\n"));
  expect("").toMatch(pattern(""));
  expect("a\nb\n").not.toMatch(pattern("a\n"));
  expect("a\n").not.toMatch(pattern(""));
  expect("a\nx\ny\nb\n").toMatch(pattern("a\n…\nb\n"));
  expect("a\nb\n").toMatch(pattern("a\n…\nb\n"));
  expect("a\nb\n").not.toMatch(pattern("a…b\n"));
  expect('key "A12"\n').toMatch(pattern('key "A…"\n'));
});
