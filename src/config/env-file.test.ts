import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FILES, REFUSED } from "./env-file.fixture.ts";
import { parseEnvFile, readEnvFile } from "./env-file.ts";
import { mistakes } from "./mistakes.fixture.ts";

/** tests/compose/env-file.test.ts reads the same files with Docker Compose. */

test.each(FILES)("%j is read as Compose reads it", (text, variables) => {
  expect(parseEnvFile(text, { PLACE: "/home/me" })).toEqual(variables);
});

test.each(REFUSED)("%j is refused with the line", (text, line) => {
  expect(mistakes(() => parseEnvFile(text, {}))).toEqual([expect.stringContaining(`.env, line ${line}: `)]);
});

describe("a file", () => {
  const dir = mkdtempSync(join(tmpdir(), "env-file-"));
  const read = (bytes: string | Uint8Array) => {
    writeFileSync(join(dir, ".env"), bytes);
    try {
      return readEnvFile(join(dir, ".env"), {});
    } finally {
      rmSync(join(dir, ".env"));
    }
  };

  test("may have a byte order mark and the line ends of Windows", () => {
    expect(read("\ufeffA=1\r\nB='x'\r\n")).toEqual({ A: "1", B: "x" });
  });

  test.each([
    ["UTF-16, little endian", Buffer.from("\ufeffA=1\n", "utf16le")],
    ["UTF-16, big endian", Buffer.from("\ufeffA=1\n", "utf16le").swap16()],
    ["UTF-16 without a mark", Buffer.from("A=1\n", "utf16le")],
    ["Latin-1", Buffer.from([0x41, 0x3d, 0xe4, 0x0a])],
  ])("in %s is refused with a sentence", (_, bytes) => {
    expect(mistakes(() => read(bytes))).toEqual([
      `${join(dir, ".env")}: is not UTF-8. Save it as UTF-8: some editors on Windows write UTF-16`,
    ]);
  });

  test("that does not exist has no variables", () => {
    expect(readEnvFile(join(dir, "none"), {})).toEqual({});
  });
});
