import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createOperator } from "nkeys.js";
import { copyRecipe, decode, expectSuccess, makeRecipe, type Recipe } from "./recipe.ts";

/**
 * The scripts have more rights than the programs and users whose directories they read and write. Here these directories
 * hold files that the scripts don't expect. As root, the server's directories belong to another user, as they do in the
 * containers.
 */

const asInContainer = process.getuid?.() === 0 ? { SERVER_OWNER: "1000:1000" } : {};
const start = () => copyRecipe(asInContainer);

const systemId = (recipe: Recipe) =>
  /^system_account: (\w+)/m.exec(readFileSync(join(recipe.dir, "nats/config/resolver.conf"), "utf8"))?.[1] ??
  "";
const onServer = (recipe: Recipe, id = recipe.account().sub) => join(recipe.dir, "nats/jwt", `${id}.jwt`);

/** Every private key of the store, by its path. */
const privateKeys = (recipe: Recipe) =>
  Object.fromEntries(
    [...new Bun.Glob("**/*.{nk,creds}").scanSync(join(recipe.dir, "nsc/current/keys"))].map((file) => [
      file,
      readFileSync(join(recipe.dir, "nsc/current/keys", file), "utf8"),
    ]),
  );

function operatorKey(recipe: Recipe): string {
  const [file] = new Bun.Glob("keys/O/**/*.nk").scanSync(join(recipe.dir, "nsc/current/keys"));
  return join(recipe.dir, "nsc/current/keys", file ?? "");
}

/** Claims of an account's JWT changed, under its header and its signature. */
function altered(jwt: string, change: (claims: Record<string, unknown>) => void): string {
  const [header, claims = "", signature] = jwt.trim().split(".");
  const parsed = JSON.parse(Buffer.from(claims, "base64url").toString());
  change(parsed);
  return [header, Buffer.from(JSON.stringify(parsed)).toString("base64url"), signature].join(".");
}

describe("in the server's directory of accounts", () => {
  const planted: [string, (path: string, recipe: Recipe) => void][] = [
    ["a file that is no JWT", (path) => writeFileSync(path, "not a JWT")],
    ["an empty file", (path) => writeFileSync(path, "")],
    ["a file that is larger than any JWT", (path) => writeFileSync(path, "x".repeat(20_000_000))],
    ["a link to a private key", (path, recipe) => symlinkSync(operatorKey(recipe), path)],
    ["a link to a directory", (path, recipe) => symlinkSync(join(recipe.dir, "nsc/current/keys"), path)],
    ["a link to nothing", (path, recipe) => symlinkSync(join(recipe.dir, "nsc/current/made"), path)],
    ["a link to a device without an end", (path) => symlinkSync("/dev/zero", path)],
    ["a pipe that is never written to", (path) => Bun.spawnSync(["mkfifo", path])],
  ];
  for (const account of ["the system account", "the application's account"]) {
    for (const [what, plant] of planted) {
      test(`${what}, in the place of ${account}, changes nothing in the store and is replaced`, async () => {
        await using recipe = await start();
        const id = account.includes("system") ? systemId(recipe) : recipe.account().sub;
        const target = onServer(recipe, id);
        const whole = readFileSync(target, "utf8");
        const keys = privateKeys(recipe);
        const own = recipe.account();
        rmSync(target);
        plant(target, recipe);
        // beside it, links with the names that a temporary file could have
        for (const name of [".new", ".tmp", ".part"]) symlinkSync(operatorKey(recipe), target + name);
        expectSuccess(await recipe.init());
        expect(privateKeys(recipe)).toEqual(keys);
        expect(recipe.account()).toEqual(own);
        expect(existsSync(join(recipe.dir, "nsc/current/made"))).toBe(false);
        if (account.includes("system")) {
          expect(lstatSync(target).isFile()).toBe(true);
          expect(readFileSync(target, "utf8")).toBe(whole);
        } else {
          // the server could not read it either, and nats-push sends it again
          rmSync(target);
        }
        await recipe.startServer();
        expect(expectSuccess(await recipe.push())).toContain("all is in force");
        expect(privateKeys(recipe)).toEqual(keys);
        expect(readFileSync(target, "utf8")).toBe(whole);
      });
    }
  }

  test("a directory in the place of the system account fails with a message", async () => {
    await using recipe = await start();
    const keys = privateKeys(recipe);
    rmSync(onServer(recipe, systemId(recipe)));
    mkdirSync(onServer(recipe, systemId(recipe)));
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("can't be replaced. It should be a file: remove what is there");
    expect(privateKeys(recipe)).toEqual(keys);
  });

  test("an account whose claims were changed under their old signature is not adopted, and is overwritten", async () => {
    await using recipe = await start();
    const file = onServer(recipe);
    const whole = readFileSync(file, "utf8");
    writeFileSync(
      file,
      altered(whole, (claims) => {
        claims.iat = (claims.iat as number) + 1000;
        (claims.nats as { limits: Record<string, number> }).limits.streams = 12345;
      }),
    );
    for (const conflict of ["stop", "server"]) {
      expect(expectSuccess(await recipe.init({ NATS_CONFLICT: conflict }))).toContain(
        "the server's copy of account app was cut short or altered: its signature is not valid",
      );
      expect(recipe.account().nats.limits.streams).toBe(100);
    }
    expect(await recipe.up()).toContain("pushed account app");
    expect(readFileSync(file, "utf8")).toBe(whole);
  });

  test("an account under a header that requires no signature, or in the form of a creds file, is not adopted", async () => {
    await using recipe = await start();
    const file = onServer(recipe);
    const whole = readFileSync(file, "utf8").trim();
    const later = altered(whole, (claims) => {
      claims.iat = (claims.iat as number) + 1000;
    });
    const none = Buffer.from('{"typ":"JWT","alg":"none"}').toString("base64url");
    const decorated = (jwt: string) =>
      `-----BEGIN NATS ACCOUNT JWT-----\n${jwt}\n------END NATS ACCOUNT JWT------\n`;
    for (const text of [
      [none, ...later.split(".").slice(1)].join("."),
      `${none}.${later.split(".")[1]}.`,
      decorated(later),
      `${later}\n${decorated(whole)}`,
      `${later}\n${whole}`,
    ]) {
      writeFileSync(file, text);
      expect(expectSuccess(await recipe.init())).toContain("its signature is not valid");
      expect(recipe.account()).toMatchObject(
        JSON.parse(Buffer.from(whole.split(".")[1] ?? "", "base64url").toString()),
      );
    }
  });

  test("an account that names this operator's key and, in other letters, the one that signed it is not adopted", async () => {
    await using recipe = await start();
    const file = onServer(recipe);
    const whole = readFileSync(file, "utf8");
    const own = recipe.account();
    const stranger = createOperator();
    const [header, text = ""] = whole.trim().split(".");
    const claims = Buffer.from(text, "base64url").toString();
    const later = claims.replace(/"iat":\d+/, `"iat":${own.iat + 1000}`);
    const signer = `${stranger.getPublicKey()}"`;
    const forgeries = [
      ...["ISS", "Iss", "i\u017fs"].flatMap((name) => [
        later.replace(/\}$/, `,"${name}":"${signer}}`),
        later.replace(/^\{/, `{"${name}":"${signer},`),
      ]),
      // the field itself, twice: both tools take the last one
      later.replace(/^\{/, `{"iss":"${signer},`),
    ];
    for (const forged of forgeries) {
      const body = `${header}.${Buffer.from(forged).toString("base64url")}`;
      const signature = Buffer.from(stranger.sign(new TextEncoder().encode(body))).toString("base64url");
      writeFileSync(file, `${body}.${signature}`);
      expect(expectSuccess(await recipe.init())).toContain("its signature is not valid");
      expect(recipe.account()).toEqual(own);
    }
    expect(await recipe.up()).toContain("pushed account app");
    expect(readFileSync(file, "utf8")).toBe(whole);
  });

  test("an account that another operator signed fails, and NATS_CONFLICT=store overwrites it", async () => {
    await using recipe = await start();
    await using other = await makeRecipe();
    expectSuccess(await other.init());
    const file = onServer(recipe);
    const own = recipe.account();
    writeFileSync(file, readFileSync(other.accountFile()));
    for (const conflict of ["stop", "server"]) {
      const { code, output } = await recipe.init({ NATS_CONFLICT: conflict });
      expect(code).toBe(1);
      expect(output).toContain("which is no key of operator nats-mint. Nothing was changed");
    }
    expect(recipe.account()).toEqual(own);
    expect(expectSuccess(await recipe.init({ NATS_CONFLICT: "store" }))).toContain(
      "the store's version replaces it",
    );
    expect(recipe.account()).toEqual(own);
    expect(await recipe.up()).toContain("pushed account app");
  });

  test("another account of this operator, in its place, fails", async () => {
    await using recipe = await start();
    const own = recipe.account();
    writeFileSync(onServer(recipe), readFileSync(onServer(recipe, systemId(recipe))));
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("is the JWT of another account. Nothing was changed");
    expect(recipe.account()).toEqual(own);
  });
});

test("nats-push asks for a restart without opening what lies in the server's directories", async () => {
  await using recipe = await start();
  expectSuccess(await recipe.nsc("edit", "operator", "--sk", "generate"));
  const key = operatorKey(recipe);
  await recipe.startServer();
  expectSuccess(await recipe.init());
  const keys = privateKeys(recipe);
  for (const name of ["restart", "restarted", "restart.new"])
    symlinkSync(operatorKey(recipe), join(recipe.dir, "nats/run", name));
  const { output } = await recipe.push({ PUSH_PATIENCE: "1" });
  expect(output).toContain("asking it to restart");
  expect(privateKeys(recipe)).toEqual(keys);
  expect(existsSync(key)).toBe(true);
});

describe("directories that hold what is trusted", () => {
  test.each(["SERVER_DIR", "KEYS_DIR"])("%s must not be writable for other users", async (variable) => {
    await using recipe = await start();
    for (const mode of [0o777, 0o770, 0o1777]) {
      chmodSync(recipe.env[variable] ?? "", mode);
      const { code, output } = await (variable === "SERVER_DIR" ? recipe.init() : recipe.export());
      expect(code).toBe(1);
      expect(output).toContain("must belong to user");
    }
    chmodSync(recipe.env[variable] ?? "", 0o755);
    expectSuccess(await (variable === "SERVER_DIR" ? recipe.init() : recipe.export()));
  });
});

describe("in the directory of the account's secret", () => {
  const secret = (recipe: Recipe) => join(recipe.dir, "secrets/.env.account");

  for (const [what, plant] of [
    ["a link to a file", (path: string, victim: string) => symlinkSync(victim, path)],
    ["a link to a directory", (path: string, victim: string) => symlinkSync(join(victim, ".."), path)],
    ["a link to nothing", (path: string, victim: string) => symlinkSync(`${victim}-made`, path)],
    ["a pipe", (path: string) => Bun.spawnSync(["mkfifo", path])],
  ] as const) {
    test.each([".env.account", ".part-planted"])(
      `${what} named %s is replaced and not followed`,
      async (name) => {
        await using recipe = await start();
        const victims = join(recipe.dir, "victims");
        const victim = join(victims, "victim");
        mkdirSync(victims);
        writeFileSync(victim, "precious");
        const whole = readFileSync(secret(recipe), "utf8");
        rmSync(secret(recipe));
        plant(join(recipe.dir, "secrets", name), victim);
        expectSuccess(await recipe.export());
        expect(readFileSync(victim, "utf8")).toBe("precious");
        expect(readdirSync(victims)).toEqual(["victim"]);
        expect(lstatSync(secret(recipe)).isFile()).toBe(true);
        expect(lstatSync(secret(recipe)).mode & 0o777).toBe(0o600);
        expect(readFileSync(secret(recipe), "utf8")).toBe(whole);
        const left = readdirSync(join(recipe.dir, "secrets")).filter((file) => file !== name);
        expect(left).toEqual(name === ".env.account" ? [] : [".env.account"]);
      },
    );
  }

  test("what a killed run has left there is removed", async () => {
    await using recipe = await start();
    mkdirSync(join(recipe.dir, "secrets/.part-left"), { mode: 0o700 });
    writeFileSync(join(recipe.dir, "secrets/.part-left/.env.account"), "secret");
    rmSync(secret(recipe));
    expectSuccess(await recipe.export());
    expect(readdirSync(join(recipe.dir, "secrets"))).toEqual([".env.account"]);
  });

  test("a directory in its place fails with a message", async () => {
    await using recipe = await start();
    rmSync(secret(recipe));
    mkdirSync(secret(recipe));
    const { code, output } = await recipe.export();
    expect(code).toBe(1);
    expect(output).toContain(".env.account can't be written");
    expect(readdirSync(secret(recipe))).toEqual([]);
  });
});

test("the store before the last change is kept, and the one before that is not", async () => {
  await using recipe = await start();
  for (const name of ["first", "second", "third"])
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", name));
  const description = (state: string) => {
    const file = join(recipe.dir, "nsc", state, "stores/nats-mint/accounts/app/app.jwt");
    return decode<{ nats: { description: string } }>(readFileSync(file, "utf8")).nats.description;
  };
  expect(description("current")).toBe("third");
  expect(description("previous")).toBe("second");
  const linked = ["current", "previous"].map(
    (name) => readlinkSync(join(recipe.dir, "nsc", name)).split("/")[1] ?? "",
  );
  expect(recipe.generations().sort()).toEqual(linked.sort());
  // restore it as in the README, and make a change
  expectSuccess(
    await recipe.run([
      "sh",
      "-c",
      `ln -sfn "$(readlink ${recipe.dir}/nsc/previous)" ${recipe.dir}/nsc/current`,
    ]),
  );
  expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "fourth"));
  expect(description("current")).toBe("fourth");
  expect(description("previous")).toBe("second");
});

test("a killed run leaves its temporary keys in the state directory only, and the next run removes them", async () => {
  await using recipe = await start();
  const bin = join(recipe.dir, "bin");
  const temporary = join(recipe.dir, "tmp");
  const reached = join(recipe.dir, "reached");
  mkdirSync(bin);
  mkdirSync(temporary);
  // nats-export compares its new files with the old ones; it is held there, with keys in its scratch files
  writeFileSync(join(bin, "diff"), `#!/bin/sh\n: >"${reached}"\nexec sleep 1000\n`, { mode: 0o755 });
  const child = spawn("/bin/sh", [join(import.meta.dirname, "../../fs/nats-export/export.sh")], {
    env: { ...recipe.env, PATH: `${bin}:${recipe.env.PATH}`, TMPDIR: temporary },
    stdio: "ignore",
    detached: true,
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  while (!existsSync(reached)) await Bun.sleep(5);
  const scratch = () =>
    existsSync(recipe.env.SCRATCH_DIR ?? "")
      ? [...new Bun.Glob("**/*.nk").scanSync(recipe.env.SCRATCH_DIR ?? "")]
      : [];
  const keys = readdirSync(recipe.rolesDir).length;
  expect(scratch()).toHaveLength(keys);
  // a run beside it leaves them alone
  expectSuccess(await recipe.init());
  expect(scratch()).toHaveLength(keys);
  process.kill(-(child.pid as number), "SIGKILL");
  await exited;
  expect(readdirSync(temporary)).toEqual([]);
  expectSuccess(await recipe.export({ TMPDIR: temporary }));
  expect(readdirSync(recipe.env.SCRATCH_DIR ?? "")).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});

test("a recipe works in a directory whose name contains a dollar sign and a space", async () => {
  await using recipe = await start();
  const odd = join(recipe.dir, "a $HOME b");
  mkdirSync(odd, { mode: 0o700 });
  for (const name of ["nsc", "keys"])
    cpSync(join(recipe.dir, name), join(odd, name), { recursive: true, verbatimSymlinks: true });
  await recipe.startServer();
  const moved = { NSC_DIR: join(odd, "nsc"), SCRATCH_DIR: join(odd, "scratch"), KEYS_DIR: join(odd, "keys") };
  expect(expectSuccess(await recipe.push(moved))).toContain("nothing to push");
});
