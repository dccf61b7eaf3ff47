import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareDataDir } from "../../src/local/data-dir.ts";
import { startService } from "../../src/local/processes.ts";

let parent = "";
let dataDir = "";
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "data-dir-"));
  dataDir = join(parent, "data");
});
afterEach(() => rmSync(parent, { recursive: true }));

describe("DATA_DIR", () => {
  test("is created without access for other users, whatever the umask", () => {
    const umask = process.umask(0);
    try {
      prepareDataDir(join(dataDir, "deep"));
    } finally {
      process.umask(umask);
    }
    for (const dir of ["deep", "deep/run"]) expect(statSync(join(dataDir, dir)).mode & 0o777).toBe(0o700);
    prepareDataDir(join(dataDir, "deep"));
  });

  test.each([0o777, 0o1777, 0o770, 0o755, 0o701])(
    "of mode %o is refused, and nothing is created in it",
    (mode) => {
      mkdirSync(dataDir);
      chmodSync(dataDir, mode);
      expect(() => prepareDataDir(dataDir)).toThrow("is open to others");
      expect(existsSync(join(dataDir, "run"))).toBe(false);
    },
  );

  test("with an entry that other users can write to is refused", () => {
    for (const name of ["nsc", "nats", "keys", "scratch"]) {
      mkdirSync(join(dataDir, name), { recursive: true, mode: 0o700 });
      chmodSync(join(dataDir, name), 0o777);
      expect(() => prepareDataDir(dataDir)).toThrow(`${join(dataDir, name)} is open to others (mode 777)`);
      chmodSync(join(dataDir, name), 0o755);
      prepareDataDir(dataDir);
    }
  });

  test("may be a link of this user to a directory of this user", () => {
    mkdirSync(join(parent, "elsewhere"), { mode: 0o700 });
    symlinkSync(join(parent, "elsewhere"), dataDir);
    prepareDataDir(dataDir);
    chmodSync(join(parent, "elsewhere"), 0o777);
    expect(() => prepareDataDir(dataDir)).toThrow("is open to others");
  });

  test("that is a file is refused", () => {
    writeFileSync(dataDir, "");
    expect(() => prepareDataDir(dataDir)).toThrow("can't be used");
  });

  // Only root can create files that belong to another user.
  describe.skipIf(process.getuid?.() !== 0)("of another user", () => {
    test("is refused", () => {
      mkdirSync(dataDir, { mode: 0o700 });
      chownSync(dataDir, 1000, 1000);
      expect(() => prepareDataDir(dataDir)).toThrow("belongs to another user (1000, and this is 0)");
    });

    test("is refused when it is the target of this user's link", () => {
      mkdirSync(join(parent, "theirs"), { mode: 0o700 });
      chownSync(join(parent, "theirs"), 1000, 1000);
      symlinkSync(join(parent, "theirs"), dataDir);
      expect(() => prepareDataDir(dataDir)).toThrow("belongs to another user");
    });

    test("is refused when it is a link to this user's directory", () => {
      mkdirSync(join(parent, "elsewhere"), { mode: 0o700 });
      symlinkSync(join(parent, "elsewhere"), dataDir);
      lchownSync(dataDir, 1000, 1000);
      expect(() => prepareDataDir(dataDir)).toThrow("belongs to another user");
    });

    test("is refused as a directory above it, and so is one that other users can write to", () => {
      mkdirSync(dataDir, { mode: 0o700 });
      for (const [uid, gid, mode, refused] of [
        [1000, 1000, 0o755, true],
        [0, 0, 0o777, true],
        [0, 1000, 0o775, true],
        [0, 0, 0o775, false],
        [0, 0, 0o1777, false],
        [0, 0, 0o755, false],
      ] as const) {
        chownSync(parent, uid, gid);
        chmodSync(parent, mode);
        const prepare = () => prepareDataDir(dataDir);
        if (refused) expect(prepare).toThrow(`is below ${parent}, where another user can replace it`);
        else prepare();
      }
    });

    test("is refused as one of its entries", () => {
      mkdirSync(join(dataDir, "nsc"), { recursive: true, mode: 0o700 });
      chownSync(join(dataDir, "nsc"), 1000, 1000);
      expect(() => prepareDataDir(dataDir)).toThrow(`${join(dataDir, "nsc")} belongs to another user`);
    });
  });
});

describe("a log", () => {
  const service = (log: string) => ({
    name: "echo",
    command: ["echo", "a line"],
    env: { PATH: process.env.PATH ?? "" },
    output: log,
    pidFile: join(parent, "run/echo.pid"),
  });

  test("is emptied at each start, and only this user can read it", async () => {
    const log = join(parent, "log");
    writeFileSync(log, "from the run before", { mode: 0o644 });
    await startService(service(log)).ended;
    expect(readFileSync(log, "utf8")).toBe("a line\n");
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  test("that is a symbolic link, with or without a target, is refused, and the link is not followed", () => {
    const victim = join(parent, "victim");
    writeFileSync(victim, "precious");
    symlinkSync(victim, join(parent, "log"));
    symlinkSync(join(parent, "made"), join(parent, "dangling"));
    for (const name of ["log", "dangling"])
      expect(() => startService(service(join(parent, name)))).toThrow("it is a symbolic link");
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(existsSync(join(parent, "made"))).toBe(false);
  });

  test("that is a named pipe or a directory is refused, without waiting for a reader", () => {
    Bun.spawnSync(["mkfifo", join(parent, "pipe")]);
    mkdirSync(join(parent, "dir"));
    for (const name of ["pipe", "dir"])
      expect(() => startService(service(join(parent, name)))).toThrow("The log");
  });
});
