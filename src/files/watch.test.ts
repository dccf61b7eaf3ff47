import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFile,
  mkdir,
  mkdtemp,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseApiKeys } from "../core/api-key/file.ts";
import { ConfigError, InvalidPolicyError } from "../core/errors.ts";
import { parsePolicyFile } from "../core/policy/file.ts";
import { queue } from "../util/queue.fixture.ts";
import { type WatchedFile, watchFile } from "./watch.ts";

let directory: string;
let path: string;
let watched: WatchedFile<unknown> | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mint-files-"));
  path = join(directory, "file.json");
});

afterEach(async () => {
  watched?.close();
  await rm(directory, { recursive: true });
});

/** Parses a list of numbers; a missing file is refused. */
function parse(text: string | undefined): number[] {
  if (text === undefined) throw new Error("there is no file");
  return JSON.parse(text);
}

/** Starts watching; `loaded` and `refused` wait for the next event of that kind. */
async function watch<T>(read: (text: string | undefined) => T) {
  const [loaded, refused] = [queue<T>(), queue<string>()];
  const file = await watchFile(path, read, {
    interval: 5,
    onLoaded: loaded.push,
    onRefused: (error) => refused.push(error.message),
  });
  watched = file;
  return { current: file.current, loaded: loaded.next, refused: refused.next, pending: refused.pending };
}

async function replace(text: string): Promise<void> {
  await writeFile(`${path}.next`, text);
  await rename(`${path}.next`, path);
}

test("the file's value is in use when watchFile resolves", async () => {
  await writeFile(path, "[1]");
  expect((await watch(parse)).current()).toEqual([1]);
});

test("a change is used: a file moved into place, edited in place, behind a link, with the same size and time", async () => {
  await writeFile(path, "[1]");
  const { current, loaded } = await watch(parse);
  await replace("[2]");
  expect(await loaded()).toEqual([2]);
  await writeFile(path, "[3]");
  // An incomplete write may have been read and refused before.
  expect(await loaded()).toEqual([3]);
  await writeFile(join(directory, "other.json"), "[4]");
  await symlink("other.json", join(directory, "link"));
  await rename(join(directory, "link"), path);
  expect(await loaded()).toEqual([4]);
  await writeFile(`${path}.next`, "[5]");
  await utimes(`${path}.next`, 0, 0);
  await rename(`${path}.next`, path);
  expect(await loaded()).toEqual([5]);
  expect(current()).toEqual([5]);
});

test("an incomplete file is refused, and used when it is complete", async () => {
  await writeFile(path, "[1]");
  const { current, loaded, refused } = await watch(parse);
  await truncate(path);
  await refused();
  expect(current()).toEqual([1]);
  await appendFile(path, "[1");
  await appendFile(path, ",2]");
  expect(await loaded()).toEqual([1, 2]);
});

test("an invalid file is refused with one warning, however often it is read; the last good value stays in use", async () => {
  await writeFile(path, "[1]");
  const readings = queue<string>();
  const { current, loaded, refused, pending } = await watch((text) => {
    readings.push(text ?? "");
    return parse(text);
  });
  await replace("{");
  await refused();
  for (let seen = 0; seen < 3; ) if ((await readings.next()) === "{") seen++;
  expect(pending()).toBe(0);
  expect(current()).toEqual([1]);
  await replace("[2]");
  expect(await loaded()).toEqual([2]);
});

test("an invalid file that is restored is reported as loaded, and a second mistake is reported again", async () => {
  await writeFile(path, "[1]");
  const { current, refused, loaded } = await watch(parse);
  for (const _ of [1, 2]) {
    await replace("{");
    await refused();
    await replace("[1]");
    expect(await loaded()).toEqual([1]);
  }
  expect(current()).toEqual([1]);
});

test("a file that is removed is refused or used, as its parser decides", async () => {
  await writeFile(path, "[1]");
  const { current, loaded, refused } = await watch(parse);
  await rm(path);
  expect(await refused()).toBe("there is no file");
  expect(current()).toEqual([1]);
  await writeFile(`${path}.next`, "[1,2]");
  await rename(`${path}.next`, path);
  expect(await loaded()).toEqual([1, 2]);
});

test("the value in use is of one complete text, however often the file is replaced", async () => {
  const text = (i: number) => JSON.stringify(Array.from({ length: 1000 }, () => i));
  await writeFile(path, text(0));
  const { current, loaded } = await watch(parse);
  for (let i = 1; i <= 50; i++) {
    await replace(text(i));
    expect(new Set(current()).size).toBe(1);
  }
  let last: number | undefined;
  while (last !== 50) last = (await loaded())[0];
});

test("at the first reading, a file that is missing, invalid or unreadable rejects watchFile", async () => {
  await expect(watch(parsePolicyFile)).rejects.toThrow(InvalidPolicyError);
  await writeFile(path, '{"rules":[');
  await expect(watch(parsePolicyFile)).rejects.toThrow(InvalidPolicyError);
  await writeFile(path, Buffer.from([0x7b, 0xff, 0x7d]));
  await expect(watch(parsePolicyFile)).rejects.toThrow("is not UTF-8");
  await rm(path);
  await mkdir(path);
  await expect(watch(parsePolicyFile)).rejects.toThrow(ConfigError);
  await expect(watch(parsePolicyFile)).rejects.toThrow("is a directory");
});

test("a policy stays in use when its file is removed or becomes invalid", async () => {
  await writeFile(path, '{"rules":[{"when":{},"grant":{"role":"browser"}}]}');
  const { current, refused, loaded } = await watch(parsePolicyFile);
  await rm(path);
  expect(await refused()).toContain("does not exist");
  await replace('{"rules":[{"when":{"issuer":"a"},"when":{},"grant":{"role":"admin"}}]}');
  expect(await refused()).toContain('duplicate field "when"');
  expect(current().rules).toHaveLength(1);
  await replace('\ufeff{"rules":[]}');
  expect((await loaded()).rules).toEqual([]);
});

test("without a file there are no API keys; an invalid file removes none", async () => {
  const key = {
    id: "abcdefgh",
    description: "",
    hash: `sha256:${"0".repeat(64)}`,
    roles: ["browser"],
    created_at: "2027-01-31T00:00:00Z",
  };
  const { current, refused, loaded } = await watch(parseApiKeys);
  expect(current()).toEqual([]);
  await replace(JSON.stringify([key]));
  expect(await loaded()).toHaveLength(1);
  await replace(JSON.stringify([key, key]));
  expect(await refused()).toContain("same id");
  expect(current()).toHaveLength(1);
  await rm(path);
  expect(await loaded()).toEqual([]);
  expect(current()).toEqual([]);
});

test("watching keeps no process alive, and reports nothing after close", async () => {
  await writeFile(path, "[1]");
  const file = await watchFile(path, parse, { interval: 1, onLoaded: () => expect.unreachable() });
  file.close();
  await replace("[2]");
  const script = `import { watchFile } from ${JSON.stringify(join(import.meta.dir, "watch.ts"))}; await watchFile("/nowhere", String)`;
  const child = Bun.spawn([process.execPath, "-e", script]);
  expect(await child.exited).toBe(0);
  expect(file.current()).toEqual([1]);
});
