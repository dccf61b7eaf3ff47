import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { type Followed, follow } from "./follow.ts";
import { queue } from "./queue.fixture.ts";

interface Version {
  readonly name: string;
}

let followed: Followed<Version> | undefined;
afterEach(() => followed?.close());

/** Follows a source that is a variable: an Error is a source that can't be used. */
async function followVariable(first: string | Error, initial?: Version) {
  let source = first;
  const [loaded, refused, readings] = [queue<string>(), queue<string>(), queue<Version | undefined>()];
  followed = await follow<Version>({
    async read(current) {
      readings.push(current);
      if (source instanceof Error) throw source;
      return current?.name === source ? current : { name: source };
    },
    initial,
    interval: 1,
    onLoaded: ({ name }) => loaded.push(name),
    onRefused: ({ message }) => refused.push(message),
  });
  const change = (to: string | Error) => {
    source = to;
  };
  return { followed, loaded, refused, readings, change };
}

test("the first value is in use when follow resolves, and reported", async () => {
  const { followed, loaded } = await followVariable("a");
  expect(followed.current()).toEqual({ name: "a" });
  expect(await loaded.next()).toBe("a");
});

test("a value that was read before is in use, and not reported", async () => {
  const initial = { name: "a" };
  const { followed, loaded, readings, change } = await followVariable("a", initial);
  expect(readings.pending()).toBe(0);
  expect(followed.current()).toBe(initial);
  change("b");
  expect(await loaded.next()).toBe("b");
});

test("a changed value replaces the one in use; an unchanged one is not reported again", async () => {
  const { followed, loaded, readings, change } = await followVariable("a");
  const [first, second] = [await loaded.next(), followed.current()];
  for (let i = 0; i < 3; i++) await readings.next();
  expect([first, followed.current(), loaded.pending()]).toEqual(["a", second, 0]);
  change("b");
  expect(await loaded.next()).toBe("b");
  expect(followed.current()).toEqual({ name: "b" });
});

test("a refused reading is reported once for each reason, and leaves the last good value in use", async () => {
  const { followed, refused, readings, change } = await followVariable("a");
  change(new Error("broken"));
  expect(await refused.next()).toBe("broken");
  while (readings.pending() > 0) await readings.next();
  for (let i = 0; i < 3; i++) await readings.next();
  expect(refused.pending()).toBe(0);
  change(new Error("gone"));
  expect(await refused.next()).toBe("gone");
  expect(followed.current()).toEqual({ name: "a" });
});

test("after a refused reading the same value is loaded again, and the same reason is reported again", async () => {
  const { loaded, refused, change } = await followVariable("a");
  await loaded.next();
  for (const _ of [1, 2]) {
    change(new Error("broken"));
    expect(await refused.next()).toBe("broken");
    change("a");
    expect(await loaded.next()).toBe("a");
  }
});

test("there is no value until the first good reading", async () => {
  const { followed, loaded, refused, change } = await followVariable(new Error("empty"));
  expect([followed.current(), await refused.next()]).toEqual([undefined, "empty"]);
  change("a");
  expect(await loaded.next()).toBe("a");
});

test("there is one reading at a time, also when one takes longer than the interval", async () => {
  let running = 0;
  let most = 0;
  const done = queue<void>();
  followed = await follow<Version>({
    async read() {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      done.push();
      return { name: "a" };
    },
    interval: 1,
  });
  for (let i = 0; i < 5; i++) await done.next();
  expect(most).toBe(1);
});

test("a reading that is in progress at close has no effect", async () => {
  const started = queue<void>();
  const { promise, resolve } = Promise.withResolvers<Version>();
  followed = await follow<Version>({
    read: () => {
      started.push();
      return promise;
    },
    initial: { name: "a" },
    interval: 1,
    onLoaded: () => expect.unreachable(),
    onRefused: () => expect.unreachable(),
  });
  await started.next();
  followed.close();
  resolve({ name: "b" });
  await promise;
  expect(followed.current()).toEqual({ name: "a" });
});

test("what onLoaded throws at the first reading is not taken for a refused reading", async () => {
  const following = follow<Version>({
    read: async () => ({ name: "a" }),
    interval: 1,
    onLoaded: () => {
      throw new Error("the log is full");
    },
    onRefused: () => expect.unreachable(),
  });
  await expect(following).rejects.toThrow("the log is full");
});

test("it keeps no process alive", async () => {
  const script = `import { follow } from ${JSON.stringify(join(import.meta.dir, "follow.ts"))};
    await follow({ read: async () => ({}), interval: 1 });`;
  expect(await Bun.spawn([process.execPath, "-e", script]).exited).toBe(0);
});
