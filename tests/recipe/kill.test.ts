import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expectSuccess, makeRecipe, type Recipe, startRecipe } from "./recipe.ts";

/** Starts a script in its own process group, and kills it with its children after a time. */
async function killAfter(milliseconds: number, recipe: Recipe, script: string): Promise<boolean> {
  const child = spawn("/bin/sh", [join(import.meta.dirname, "../../fs", script)], {
    env: recipe.env,
    stdio: "ignore",
    detached: true,
  });
  const exited = new Promise<true>((resolve) => child.once("exit", () => resolve(true)));
  const ended = await Promise.race([exited, Bun.sleep(milliseconds).then(() => false)]);
  if (!ended && child.pid) process.kill(-child.pid, "SIGKILL");
  await exited;
  return !ended;
}

const identity = (recipe: Recipe) => recipe.account().sub;
const roles = (recipe: Recipe) =>
  recipe
    .account()
    .nats.signing_keys.flatMap((key) => (typeof key === "string" ? [] : [key.role]))
    .sort();
const isWhole = async (recipe: Recipe) =>
  expectSuccess(
    await recipe.run([
      "nsc",
      "--config-dir",
      join(recipe.dir, "config"),
      "--data-dir",
      join(recipe.dir, "nsc/current/stores"),
      "--keystore-dir",
      join(recipe.dir, "nsc/current/keys"),
      "validate",
      "--all-accounts",
    ]),
  );

/**
 * The duration of a script on this machine, so that kills are spread over all of it. If a script ends before its kill,
 * the machine has become faster, and the duration is reduced.
 */
async function duration(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const moments = Array.from({ length: 15 }, (_, index) => index / 15);

test("nats-init killed at any moment of its first run leaves no store or a valid one, and the next run completes it", async () => {
  let whole = await duration(async () => {
    await using recipe = await makeRecipe();
    expectSuccess(await recipe.init());
  });
  let killed = 0;
  for (const moment of moments) {
    await using recipe = await makeRecipe();
    if (await killAfter(moment * whole, recipe, "nats-init/init.sh")) killed++;
    else whole *= moment;
    const first = (await Bun.file(recipe.accountFile()).exists()) ? identity(recipe) : undefined;
    if (first) await isWhole(recipe);
    expectSuccess(await recipe.init());
    await isWhole(recipe);
    expect(roles(recipe)).toEqual(["backend", "browser", "page", "room", "service"]);
    if (first) expect(identity(recipe)).toBe(first);
  }
  expect(killed).toBeGreaterThan(moments.length / 2);
});

test("nats-init killed at any moment of a change leaves the old store or the new one, and the next run completes it", async () => {
  await using recipe = await startRecipe();
  const start = join(recipe.dir, "start");
  const parts = ["nsc", "nats/config", "nats/jwt"];
  for (const part of parts)
    cpSync(join(recipe.dir, part), join(start, part), { recursive: true, verbatimSymlinks: true });
  const account = identity(recipe);
  const browser = JSON.stringify(
    recipe.account().nats.signing_keys.find((key) => typeof key !== "string" && key.role === "browser"),
  );
  recipe.writeRole("service", { pub: { allow: ["changed"] }, sub: { allow: ["changed"] } });
  recipe.writeRole("extra", { pub: { allow: ["x"] }, sub: { allow: ["x"] } });
  const old = recipe.account().jti;
  const restore = () => {
    for (const part of parts) {
      rmSync(join(recipe.dir, part), { recursive: true });
      mkdirSync(join(recipe.dir, part));
      cpSync(join(start, part), join(recipe.dir, part), { recursive: true, verbatimSymlinks: true });
    }
  };
  let whole = await duration(async () => expectSuccess(await recipe.init()));
  let killed = 0;
  const seen = new Set<string>();
  for (const moment of moments) {
    restore();
    if (await killAfter(moment * whole, recipe, "nats-init/init.sh")) killed++;
    else whole *= moment;
    await isWhole(recipe);
    seen.add(recipe.account().jti === old ? "old" : roles(recipe).join());
    expectSuccess(await recipe.init());
    await isWhole(recipe);
    expect(identity(recipe)).toBe(account);
    expect(roles(recipe)).toEqual(["backend", "browser", "extra", "page", "room", "service"]);
    expect(
      JSON.stringify(
        recipe.account().nats.signing_keys.find((key) => typeof key !== "string" && key.role === "browser"),
      ),
    ).toBe(browser);
  }
  expect(killed).toBeGreaterThan(moments.length / 2);
  for (const state of seen) expect(["old", "backend,browser,extra,page,room,service"]).toContain(state);
});

test("what nats-push and nats-export killed at any moment have begun is completed by the next run", async () => {
  await using recipe = await startRecipe();
  const account = identity(recipe);
  for (const script of ["nats-push/push.sh", "nats-export/export.sh"]) {
    for (const moment of moments.filter((_, index) => index % 5 === 0)) {
      recipe.writeRole("extra", { pub: { allow: [`x.${moment * 100}`] }, sub: { allow: ["x"] } });
      expectSuccess(await recipe.init());
      if (script.includes("export")) expectSuccess(await recipe.push());
      await killAfter(moment * 800, recipe, script);
      await recipe.up();
      expect(identity(recipe)).toBe(account);
      expect(JSON.stringify(recipe.accountOnServer())).toContain(`x.${moment * 100}`);
    }
  }
});

test("nats-push killed at any moment of its first run leaves no stream or a complete one, and the next run completes it", async () => {
  await using initial = await makeRecipe();
  expectSuccess(await initial.init());
  const start = async () => {
    const recipe = await makeRecipe();
    for (const part of ["nsc", "nats"])
      cpSync(join(initial.dir, part), join(recipe.dir, part), { recursive: true, verbatimSymlinks: true });
    await recipe.startServer();
    return recipe;
  };
  await using undisturbed = await start();
  let whole = await duration(async () => expectSuccess(await undisturbed.push()));
  let killed = 0;
  for (const moment of moments.filter((_, index) => index % 3 === 2)) {
    await using recipe = await start();
    if (await killAfter(moment * whole, recipe, "nats-push/push.sh")) killed++;
    else whole *= moment;
    expectSuccess(await recipe.push());
    expect(expectSuccess(await recipe.push())).toBe("nats-push: nothing to push: all is in force\n");
  }
  expect(killed).toBeGreaterThan(2);
});

test("nats-server killed with SIGKILL at any moment restarts with the accounts that were in force", async () => {
  await using recipe = await startRecipe();
  const account = identity(recipe);
  for (let round = 0; round < 3; round++) {
    recipe.writeRole("extra", { pub: { allow: [`x.${round}`] }, sub: { allow: ["x"] } });
    expectSuccess(await recipe.init());
    const pushed = recipe.push({ PUSH_PATIENCE: "2" });
    await Bun.sleep(round * 150);
    await recipe.stopServer("SIGKILL");
    await pushed;
    expect(await recipe.up()).toContain("in force");
    expect(identity(recipe)).toBe(account);
  }
});
