import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../core/errors.ts";
import { replaceFile } from "./replace.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mint-change-"));
  path = join(directory, "file");
});

afterEach(() => rm(directory, { recursive: true }));

const append = (text: string) => replaceFile(path, (before = "") => before + text);
const read = () => readFile(path, "utf8");

test("a file is created and changed, and no other file is left", async () => {
  await append("a");
  await append("b");
  expect(await read()).toBe("ab");
  expect(await readdir(directory)).toEqual(["file"]);
});

test("no change is lost when several happen at the same time", async () => {
  await Promise.all(Array.from({ length: 30 }, (_, i) => append(`${i},`)));
  const numbers = (await read()).split(",").filter(Boolean).map(Number);
  expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
});

test("every user may read the file, whatever the umask", async () => {
  const before = process.umask(0o077);
  try {
    await append("a");
  } finally {
    process.umask(before);
  }
  expect((await stat(path)).mode & 0o777).toBe(0o644);
});

test("a change that fails leaves the file as it was, and does not prevent the next one", async () => {
  await append("a");
  const failing = replaceFile(path, () => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await readdir(directory)).toEqual(["file"]);
  await append("b");
  expect(await read()).toBe("ab");
});

test("a change waits until the lock is released", async () => {
  await writeFile(`${path}.lock`, "");
  let done = false;
  const change = append("a").then(() => {
    done = true;
  });
  await readdir(directory);
  expect(done).toBe(false);
  await rm(`${path}.lock`);
  await change;
  expect(await read()).toBe("a");
});

test("a file that a killed process left is replaced", async () => {
  await writeFile(`${path}.next`, "half of someth");
  await append("a");
  expect(await read()).toBe("a");
});

test("a file that can't be written is reported with its path", async () => {
  const nowhere = join(directory, "nowhere", "file");
  await expect(replaceFile(nowhere, () => "")).rejects.toThrow(ConfigError);
  await expect(replaceFile(nowhere, () => "")).rejects.toThrow(`${nowhere}.lock: can't be created (ENOENT)`);
  await mkdir(path);
  await expect(append("a")).rejects.toThrow("is a directory");
});
