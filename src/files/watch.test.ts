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
import { ConfigError, InvalidApiKeysError, InvalidPolicyError } from "../core/errors.ts";
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

/** What a list of numbers is, for these tests; no file is no list. */
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

test("what is there is in use at once", async () => {
  await writeFile(path, "[1]");
  expect((await watch(parse)).current()).toEqual([1]);
});

test("a change is taken into use: a file moved into place, edited in place, behind a link, of the same size and time", async () => {
  await writeFile(path, "[1]");
  const { current, loaded } = await watch(parse);
  await replace("[2]");
  expect(await loaded()).toEqual([2]);
  await writeFile(path, "[3]");
  // A torn write may have been seen and refused; what counts is that the whole is taken.
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

test("half a file is refused, and the whole taken when it is there", async () => {
  await writeFile(path, "[1]");
  const { current, loaded, refused } = await watch(parse);
  await truncate(path);
  await refused();
  expect(current()).toEqual([1]);
  await appendFile(path, "[1");
  await appendFile(path, ",2]");
  expect(await loaded()).toEqual([1, 2]);
});

test("what is broken is refused with one warning, however often it is looked at; the last good value stays", async () => {
  await writeFile(path, "[1]");
  const looks = queue<string>();
  const { current, loaded, refused, pending } = await watch((text) => {
    looks.push(text ?? "");
    return parse(text);
  });
  await replace("{");
  await refused();
  for (let seen = 0; seen < 3; ) if ((await looks.next()) === "{") seen++;
  expect(pending()).toBe(0);
  expect(current()).toEqual([1]);
  await replace("[2]");
  expect(await loaded()).toEqual([2]);
});

test("a broken file that becomes what it was is good again, and a second mistake is told again", async () => {
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

test("a file that goes away is what its reader says it is", async () => {
  await writeFile(path, "[1]");
  const { current, loaded, refused } = await watch(parse);
  await rm(path);
  expect(await refused()).toBe("there is no file");
  expect(current()).toEqual([1]);
  await writeFile(`${path}.next`, "[1,2]");
  await rename(`${path}.next`, path);
  expect(await loaded()).toEqual([1, 2]);
});

test("however often it is replaced, what is in use is one text, whole", async () => {
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

test("at the start, a file that is missing, broken or can't be read ends it", async () => {
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

test("a policy stays in force when its file goes away or is broken", async () => {
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

test("without their file there are no API keys; a broken file takes none away", async () => {
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
  expect(await refused()).toContain("an id twice");
  expect(current()).toHaveLength(1);
  await rm(path);
  expect(await loaded()).toEqual([]);
  expect(current()).toEqual([]);
});

test("a file of API keys is strict, and what is said about it shows neither hash nor key", async () => {
  const hash = `sha256:${"ab".repeat(32)}`;
  const good = { id: "abcdefgh", description: "", hash, roles: ["a"], created_at: "2027-01-31T00:00:00Z" };
  for (const [change, place] of [
    [{ hash: "ab".repeat(32) }, "[0].hash"],
    [{ hash: `sha256:${"AB".repeat(32)}` }, "[0].hash"],
    [{ hash: `mint_abcdefgh_${"a".repeat(60)}` }, "[0].hash"],
    [{ id: "*" }, "[0].id"],
    [{ roles: [] }, "[0].roles"],
    [{ roles: ["*"] }, "[0].roles[0]"],
    [{ roles: "a" }, "[0].roles"],
    [{ created_at: "yesterday" }, "[0].created_at"],
    [{ expires_at: "2027-02-30T00:00:00Z" }, "[0].expires_at"],
    [{ expires_at: "2027-01-31T00:00:00+05:00" }, "[0].expires_at"],
    [{ expires_at: 1 }, "[0].expires_at"],
    [{ expires: "2027-01-31T00:00:00Z" }, "[0]: unknown field"],
    [{ description: undefined }, "[0].description: is missing"],
  ] as const) {
    const refused = () => parseApiKeys(JSON.stringify([{ ...good, ...change }]));
    expect(refused).toThrow(InvalidApiKeysError);
    expect(refused).toThrow(place);
    expect(refused).not.toThrow(/(ab){8}|(AB){8}|a{20}/);
  }
  expect(() => parseApiKeys("{}")).toThrow(InvalidApiKeysError);
  expect(() => parseApiKeys("")).toThrow(InvalidApiKeysError);
  expect(() => parseApiKeys('[{"id":"a","id":"b"}]')).toThrow("duplicate field");
  expect(parseApiKeys(JSON.stringify([{ ...good, expires_at: "2027-01-31T00:00:00Z" }]))).toEqual([
    {
      id: "abcdefgh",
      description: "",
      hash,
      roles: ["a"],
      createdAt: 1_801_353_600,
      expiresAt: 1_801_353_600,
    },
  ]);
});

test("watching keeps no process alive, and closed it says nothing more", async () => {
  await writeFile(path, "[1]");
  const file = await watchFile(path, parse, { interval: 1, onLoaded: () => expect.unreachable() });
  file.close();
  await replace("[2]");
  const script = `import { watchFile } from ${JSON.stringify(join(import.meta.dir, "watch.ts"))}; await watchFile("/nowhere", String)`;
  const child = Bun.spawn([process.execPath, "-e", script]);
  expect(await child.exited).toBe(0);
  expect(file.current()).toEqual([1]);
});
