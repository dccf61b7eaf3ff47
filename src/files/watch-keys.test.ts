import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidKeysError, KeysUnavailableError } from "../core/errors.ts";
import { BROWSER, makeAccount } from "../core/roles/account.fixture.ts";
import { queue } from "../util/queue.fixture.ts";
import { readKeys } from "./exported-keys.ts";
import { type WatchedKeys, watchKeys } from "./watch-keys.ts";

let directory: string;
let keys: WatchedKeys | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "mint-keys-"));
});

afterEach(async () => {
  keys?.close();
  await rm(directory, { recursive: true });
});

/** Files of a version whose roles all have the browser's permissions. */
async function makeVersion(...roles: string[]): Promise<Record<string, string>> {
  const { accountJwt, seeds } = await makeAccount(Object.fromEntries(roles.map((role) => [role, BROWSER])));
  return {
    "account.jwt": `${accountJwt}\n`,
    "roles.json": JSON.stringify(Object.fromEntries(roles.map((role) => [role, { ttl: 60 }]))),
    ...Object.fromEntries(Object.entries(seeds).map(([role, seed]) => [`${role}.nk`, `${seed}\n`])),
  };
}

/** Writes a version and switches to it in one step, as the exporter does. */
async function exportVersion(name: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(directory, name));
  await Promise.all(
    Object.entries(files).map(([file, text]) => writeFile(join(directory, name, file), text)),
  );
  await switchTo(name);
}

async function switchTo(name: string): Promise<void> {
  await symlink(name, join(directory, "next"));
  await rename(join(directory, "next"), join(directory, "current"));
}

/** Starts watching; each call of `loaded` and `refused` waits for the next event of that kind. */
async function watch() {
  const events = { loaded: queue<string>(), refused: queue<string>() };
  keys = await watchKeys(directory, {
    interval: 5,
    onLoaded: (mint) => events.loaded.push(mint.roles.join(" ")),
    onRefused: (error) => events.refused.push(error.message),
  });
  return {
    mint: keys.mint,
    loaded: events.loaded.next,
    refused: events.refused.next,
    pending: events.refused.pending,
  };
}

test("exported keys are in use when watchKeys resolves", async () => {
  await exportVersion("v1", await makeVersion("browser", "service"));
  const { mint } = await watch();
  expect(mint().roles).toEqual(["browser", "service"]);
});

test("without exported keys there is no mint, until keys are exported", async () => {
  const { mint, loaded, refused } = await watch();
  expect(mint).toThrow(KeysUnavailableError);
  expect(await refused()).toContain(`not been exported yet: there is no "${join(directory, "current")}"`);
  expect(mint).not.toThrow(directory);
  await exportVersion("v1", await makeVersion("browser"));
  expect(await loaded()).toBe("browser");
  expect(mint().roles).toEqual(["browser"]);
});

test("a directory that doesn't exist yet may be created later", async () => {
  const real = directory;
  directory = join(real, "later");
  try {
    const { mint, loaded } = await watch();
    expect(mint).toThrow(KeysUnavailableError);
    await mkdir(directory);
    await exportVersion("v1", await makeVersion("browser"));
    expect(await loaded()).toBe("browser");
  } finally {
    directory = real;
  }
});

test("a new version is used without a restart", async () => {
  await exportVersion("v1", await makeVersion("browser"));
  const { mint, loaded } = await watch();
  await loaded();
  const before = mint().account;
  await exportVersion("v2", await makeVersion("browser", "service"));
  expect(await loaded()).toBe("browser service");
  expect(mint().account).not.toBe(before);
});

test("an invalid version is refused with one warning, the last good one stays in use, and the next valid one replaces it", async () => {
  await exportVersion("v1", await makeVersion("browser"));
  const { mint, loaded, refused, pending } = await watch();
  await loaded();
  const good = mint();

  const other = await makeVersion("browser");
  const broken: [Record<string, string>, string][] = [
    [{ ...(await makeVersion("browser")), "browser.nk": other["browser.nk"] ?? "" }, "browser"],
    [{ ...(await makeVersion("browser")), "browser.nk": "" }, "browser"],
    [{ ...(await makeVersion("browser")), "account.jwt": "" }, "account JWT"],
    [{ ...(await makeVersion("browser")), "roles.json": "{" }, "roles.json"],
    [{ ...(await makeVersion("browser")), "roles.json": '{"browser":{}}' }, "roles.json"],
    [{ ...(await makeVersion("browser")), "roles.json": '{"../browser":{"ttl":60}}' }, "roles.json"],
    [{ ...(await makeVersion("browser")), "roles.json": '{"browser":{"ttl":1}}' }, "ttl"],
    [
      { ...(await makeVersion("browser")), "roles.json": '{"browser":{"ttl":60},"service":{"ttl":60}}' },
      "service.nk",
    ],
    [{}, "account.jwt"],
  ];
  for (const [i, [files, place]] of broken.entries()) {
    await exportVersion(`broken${i}`, files);
    const message = await refused();
    expect(message).toContain(place);
    expect(message).not.toMatch(/SA[A-Z2-7]{10}|eyJ/);
    expect(mint()).toBe(good);
  }
  expect(pending()).toBe(0);

  await exportVersion("v2", await makeVersion("browser", "service"));
  expect(await loaded()).toBe("browser service");
});

test("an invalid version that is corrected in place is used", async () => {
  const files = await makeVersion("browser");
  const { "browser.nk": seed = "", ...rest } = files;
  await exportVersion("v1", rest);
  const { mint, loaded, refused } = await watch();
  expect(await refused()).toContain("browser.nk");
  expect(mint).toThrow(KeysUnavailableError);
  await writeFile(join(directory, "v1", "browser.nk"), seed);
  expect(await loaded()).toBe("browser");
});

test("when the export is removed the last good keys stay in use, and a new version may have the same name", async () => {
  await exportVersion("v1", await makeVersion("browser"));
  const { mint, loaded, refused } = await watch();
  await loaded();
  const good = mint();
  await rm(join(directory, "current"));
  await rm(join(directory, "v1"), { recursive: true });
  expect(await refused()).toContain("not been exported");
  expect(mint()).toBe(good);
  await exportVersion("v1", await makeVersion("service"));
  expect(await loaded()).toBe("service");
});

test("a reading has all files of one version, however often versions are switched and removed", async () => {
  const versions = await Promise.all(["a", "b", "c"].map((role) => makeVersion(role)));
  await exportVersion("v0", versions[0] ?? {});
  let exporting = true;
  const exporter = (async () => {
    for (let i = 1; i <= 100; i++) {
      await exportVersion(`v${i}`, versions[i % 3] ?? {});
      await rm(join(directory, `v${i - 1}`), { recursive: true });
    }
    exporting = false;
  })();
  while (exporting) {
    const { mint } = await readKeys(directory);
    const [role] = Object.keys(mint.roles);
    const index = ["a", "b", "c"].indexOf(role ?? "");
    expect(`${mint.accountJwt}\n`).toBe(versions[index]?.["account.jwt"] ?? "");
  }
  await exporter;
});

test.each(["keys", "no-such/keys", "."])("a missing export names where it should be: %s", async (name) => {
  const missing = join(directory, name);
  await expect(readKeys(missing)).rejects.toThrow(`there is no "${join(missing, "current")}"`);
});

test("a missing file is an InvalidKeysError that names it, a missing export a KeysUnavailableError", async () => {
  await expect(readKeys(directory)).rejects.toThrow(KeysUnavailableError);
  await exportVersion("v1", {});
  await expect(readKeys(directory)).rejects.toThrow(InvalidKeysError);
  await expect(readKeys(directory)).rejects.toThrow("account.jwt");
  await rm(join(directory, "v1"), { recursive: true });
  await expect(readKeys(directory)).rejects.toThrow(InvalidKeysError);
});

test("an error of onLoaded at the first version rejects watchKeys, and does not refuse the version", async () => {
  await exportVersion("v1", await makeVersion("browser"));
  const watching = watchKeys(directory, {
    onLoaded: () => {
      throw new Error("the log is full");
    },
    onRefused: () => expect.unreachable(),
  });
  await expect(watching).rejects.toThrow("the log is full");
});

test("watching keeps no process alive, and reports nothing after close", async () => {
  const watching = await watchKeys(directory, { interval: 1, onLoaded: () => expect.unreachable() });
  watching.close();
  await exportVersion("v1", await makeVersion("browser"));
  const script = `import { watchKeys } from ${JSON.stringify(join(import.meta.dir, "watch-keys.ts"))}; await watchKeys("/nowhere")`;
  const child = Bun.spawn([process.execPath, "-e", script]);
  expect(await child.exited).toBe(0);
});
