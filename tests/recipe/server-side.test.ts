import { describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createUser, fromSeed } from "nkeys.js";
import { createUserKeyPair } from "../../src/core/keys/ed25519.ts";
import { watchKeys } from "../../src/files/watch-keys.ts";
import { expectSuccess, makeRecipe, type Recipe, startRecipe } from "./recipe.ts";

/** Another machine with a copy of the nsc store as it is now. */
function elsewhere(recipe: Recipe) {
  const copy = join(recipe.dir, `elsewhere-${Bun.randomUUIDv7()}`);
  cpSync(join(recipe.dir, "nsc/current/"), copy, { recursive: true });
  const nsc = async (...command: string[]) =>
    expectSuccess(
      await recipe.run([
        "nsc",
        "--config-dir",
        join(copy, "config"),
        "--data-dir",
        join(copy, "stores"),
        "--keystore-dir",
        join(copy, "keys"),
        ...command,
      ]),
    );
  const account = join(copy, "stores/nats-mint/accounts/app/app.jwt");
  const creds = join(copy, "keys/creds/nats-mint/SYS/sys.creds");
  return {
    nsc,
    async push() {
      const script = `nats --no-context -s ${recipe.env.NATS_URL} --creds ${creds} request --raw '$SYS.REQ.CLAIMS.UPDATE' "$(cat ${account})"`;
      expect(expectSuccess(await recipe.run(["sh", "-c", script]))).toContain("jwt updated");
    },
  };
}

async function revokeElsewhere(recipe: Recipe): Promise<string> {
  const user = createUser().getPublicKey();
  const other = elsewhere(recipe);
  await other.nsc("revocations", "add-user", "-a", "app", "--user-public-key", user);
  await other.push();
  return user;
}

const revoked = (recipe: Recipe) => Object.keys(recipe.accountOnServer().nats.revocations ?? {});
const role = (subject: string) => ({ pub: { allow: [subject] }, sub: { allow: ["x"] } });

describe("a revocation pushed from elsewhere", () => {
  test("survives a run that changes nothing", async () => {
    await using recipe = await startRecipe();
    const user = await revokeElsewhere(recipe);
    expect(await recipe.up()).toContain("account app: adopted what was changed on the server");
    expect(revoked(recipe)).toEqual([user]);
    expect(Object.keys(recipe.account().nats.revocations ?? {})).toEqual([user]);
  });

  test("survives a run that changes roles and limits", async () => {
    await using recipe = await startRecipe();
    const user = await revokeElsewhere(recipe);
    recipe.writeRole("browser", role("new"));
    recipe.removeRole("service");
    recipe.writeRole("extra", role("extra"));
    expectSuccess(await recipe.init({ NATS_ACCOUNT_JS_STREAMS: "5" }));
    expectSuccess(await recipe.push());
    const { nats } = recipe.accountOnServer();
    expect(Object.keys(nats.revocations ?? {})).toEqual([user]);
    expect(nats.limits.streams).toBe(5);
    expect(nats.signing_keys.map((key) => (typeof key === "string" ? "plain" : key.role)).sort()).toEqual([
      "backend",
      "browser",
      "extra",
      "page",
      "plain",
      "room",
    ]);
  });

  test("survives when a change of nats-init was not pushed yet, and that change is made again", async () => {
    await using recipe = await startRecipe();
    const other = elsewhere(recipe);
    recipe.writeRole("browser", role("new"));
    expectSuccess(await recipe.init()); // and no push
    const user = createUser().getPublicKey();
    await other.nsc("revocations", "add-user", "-a", "app", "--user-public-key", user);
    await other.push();
    await recipe.up();
    const { nats } = recipe.accountOnServer();
    expect(Object.keys(nats.revocations ?? {})).toEqual([user]);
    expect(nats.signing_keys.find((key) => typeof key !== "string" && key.role === "browser")).toMatchObject({
      template: { pub: { allow: ["new"] } },
    });
  });

  test("survives when the server is down and the nsc store is ahead of an older push", async () => {
    await using recipe = await startRecipe();
    const user = await revokeElsewhere(recipe);
    await recipe.stopServer("SIGKILL");
    await recipe.up();
    expect(revoked(recipe)).toEqual([user]);
  });

  test("survives when it comes between nats-init and nats-push, which then fails", async () => {
    await using recipe = await startRecipe();
    const other = elsewhere(recipe);
    recipe.writeRole("extra", role("extra"));
    expectSuccess(await recipe.init());
    const user = createUser().getPublicKey();
    await other.nsc("revocations", "add-user", "-a", "app", "--user-public-key", user);
    await other.push();
    const { code, output } = await recipe.push();
    expect(code).toBe(1);
    expect(output).toContain(
      "account app was changed on the server since nats-init looked. Nothing was pushed",
    );
    expect(revoked(recipe)).toEqual([user]);
    await recipe.up();
    expect(revoked(recipe)).toEqual([user]);
  });

  test("survives one after another, with operators' own changes in between", async () => {
    await using recipe = await startRecipe();
    const first = await revokeElsewhere(recipe);
    await recipe.up();
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine"));
    await recipe.up();
    const second = await revokeElsewhere(recipe);
    await recipe.up();
    expect(revoked(recipe).sort()).toEqual([first, second].sort());
    expect(recipe.accountOnServer().nats).toMatchObject({ description: "mine" });
  });

  test("of the system account survives too", async () => {
    await using recipe = await startRecipe();
    expectSuccess(
      await recipe.nsc(
        "revocations",
        "add-user",
        "-a",
        "SYS",
        "--user-public-key",
        createUser().getPublicKey(),
      ),
    );
    expect(await recipe.up()).toContain("pushed account SYS");
    await recipe.stopServer();
    expect(await recipe.up()).not.toContain("pushed account SYS");
  });
});

test("a server whose data were restored from before a revocation does not undo it", async () => {
  await using recipe = await startRecipe();
  const file = join(recipe.dir, "nats/jwt", `${recipe.account().sub}.jwt`);
  const backup = readFileSync(file);
  while (Math.floor(Date.now() / 1000) <= recipe.account().iat) await Bun.sleep(20); // JWTs tell seconds apart
  const user = createUser().getPublicKey();
  expectSuccess(await recipe.nsc("revocations", "add-user", "-a", "app", "--user-public-key", user));
  await recipe.up();
  await recipe.stopServer();
  writeFileSync(file, backup);
  const { code, output } = await recipe.init();
  expect(code).toBe(1);
  expect(output).toContain("account app is older on the server than it was when they last agreed");
  expectSuccess(await recipe.init({ NATS_CONFLICT: "store" }));
  await recipe.up();
  expect(revoked(recipe)).toEqual([user]);
});

describe("an operator's change with nsc", () => {
  test("is pushed by the next run", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine"));
    expect(await recipe.up()).toContain("nats-push: pushed account app");
    expect(recipe.accountOnServer().nats).toMatchObject({ description: "mine" });
  });

  test("that conflicts with a change on the server fails, until NATS_CONFLICT says which one is kept", async () => {
    for (const winner of ["server", "store"]) {
      await using recipe = await startRecipe();
      const user = await revokeElsewhere(recipe);
      expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine"));
      const { code, output } = await recipe.init();
      expect(code).toBe(1);
      expect(output).toContain("account app was changed both in the nsc store and on the server");
      expect(revoked(recipe)).toEqual([user]);
      expectSuccess(await recipe.init({ NATS_CONFLICT: winner }));
      expectSuccess(await recipe.push());
      expect(revoked(recipe)).toEqual(winner === "server" ? [user] : []);
      expect((recipe.accountOnServer().nats as { description?: string }).description).toBe(
        winner === "server" ? undefined : "mine",
      );
    }
  });

  test("that fails leaves the store as it was", async () => {
    await using recipe = await startRecipe();
    const before = recipe.account().jti;
    expect((await recipe.nsc("edit", "account", "-n", "nobody", "--description", "x")).code).not.toBe(0);
    expect(recipe.account().jti).toBe(before);
    expect(recipe.generations()).toHaveLength(1);
  });
});

describe("a role that was changed elsewhere", () => {
  const narrow = async (recipe: Recipe) => {
    const other = elsewhere(recipe);
    const key = recipe
      .account()
      .nats.signing_keys.find((key) => typeof key !== "string" && key.role === "service") as { key: string };
    await other.nsc("edit", "signing-key", "-a", "app", "--sk", key.key, "--deny-pub", "services.secret");
    await other.push();
    return key.key;
  };
  const service = (recipe: Recipe) =>
    recipe
      .accountOnServer()
      .nats.signing_keys.find((key) => typeof key !== "string" && key.role === "service");

  test("is kept as long as its file does not change", async () => {
    await using recipe = await startRecipe();
    await narrow(recipe);
    expect(await recipe.up()).toContain("role service: was changed elsewhere, not in its file; it is kept");
    expect(service(recipe)).toMatchObject({ template: { pub: { deny: ["services.secret"] } } });
  });

  test("and whose file changed too fails, until NATS_CONFLICT says which change is kept", async () => {
    await using recipe = await startRecipe();
    const key = await narrow(recipe);
    recipe.writeRole("service", role("mine"));
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("role service was changed both in its file and in the account");
    expectSuccess(await recipe.init({ NATS_CONFLICT: "store" }));
    expectSuccess(await recipe.push());
    expect(service(recipe)).toMatchObject({ key, template: { pub: { allow: ["mine"] } } });
  });

  test("and whose key is not in this store fails", async () => {
    await using recipe = await startRecipe();
    const other = elsewhere(recipe);
    await other.nsc(
      "edit",
      "signing-key",
      "-a",
      "app",
      "--sk",
      "generate",
      "--role",
      "extra",
      "--allow-pub",
      "extra",
      "--allow-sub",
      "x",
    );
    await other.push();
    recipe.writeRole("extra", role("extra"));
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("its private half is not in this store");
  });

  test("by the removal of its key gets a new key, and the old one is not restored", async () => {
    await using recipe = await startRecipe();
    const old = recipe
      .account()
      .nats.signing_keys.find((key) => typeof key !== "string" && key.role === "service") as { key: string };
    const other = elsewhere(recipe);
    await other.nsc("edit", "account", "-n", "app", "--rm-sk", old.key);
    await other.push();
    expect(await recipe.up()).toContain(
      "role service: its signing key was removed elsewhere; made a new one",
    );
    expect(service(recipe)).toMatchObject({ role: "service" });
    expect(JSON.stringify(recipe.accountOnServer())).not.toContain(old.key);
  });
});

describe("nats-push", () => {
  test("fails on an empty response, and overwrites nothing", async () => {
    await using recipe = await startRecipe();
    recipe.writeRole("extra", role("extra"));
    expectSuccess(await recipe.init());
    const real = Bun.which("nats", { PATH: recipe.env.PATH as string });
    const bin = join(recipe.dir, "bin");
    mkdirSync(bin);
    // As the nats tool does on a timeout: nothing on its output, and 0.
    writeFileSync(
      join(bin, "nats"),
      `#!/bin/sh\ncase "$*" in *LOOKUP*) exit 0 ;; esac\nexec ${real} "$@"\n`,
      { mode: 0o755 },
    );
    const before = recipe.accountOnServer();
    const { code, output } = await recipe.push({ PATH: `${bin}:${recipe.env.PATH}` });
    expect(code).toBe(1);
    expect(output).toContain("the server did not say what it holds for account");
    expect(recipe.accountOnServer()).toEqual(before);
  });

  test("pushes an account with thousands of revocations", async () => {
    await using recipe = await startRecipe();
    const revocations = Object.fromEntries(
      Array.from({ length: 2500 }, () => [createUserKeyPair().publicKey, 1]),
    );
    const signer = expectSuccess(await recipe.nsc("describe", "operator", "--json"));
    const key = (JSON.parse(signer) as { nats: { signing_keys: string[] } }).nats.signing_keys[0] as string;
    const seed = expectSuccess(
      await recipe.run(["sh", "-c", `cat "$(find ${recipe.dir}/nsc/current/keys/ -name ${key}.nk)"`]),
    ).trim();
    const claims = recipe.account();
    const payload = { ...claims, iat: claims.iat + 1, nats: { ...claims.nats, revocations } };
    const text = `${readFileSync(recipe.accountFile(), "utf8").split(".")[0]}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}`;
    const signature = fromSeed(new TextEncoder().encode(seed)).sign(new TextEncoder().encode(text));
    writeFileSync(recipe.accountFile(), `${text}.${Buffer.from(signature).toString("base64url")}`);
    expect(expectSuccess(await recipe.push())).toContain("pushed account app");
    expect(revoked(recipe)).toHaveLength(2500);
  });

  test("that failed at a login causes no conflict later", async () => {
    await using recipe = await startRecipe();
    recipe.writeRole("extra", role("extra"));
    expectSuccess(await recipe.init());
    expect((await recipe.push({ NATS_WS_URL: "ws://127.0.0.1:1" })).code).toBe(1);
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine"));
    await recipe.up();
    expect(recipe.accountOnServer().nats).toMatchObject({ description: "mine" });
  });

  test("succeeds when all users were revoked a moment ago", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.nsc("revocations", "add-user", "-a", "app", "--user-public-key", "*"));
    expect(await recipe.up()).toContain("all is in force");
  });

  test("reports an account that was deleted in the store and still exists on the server", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.nsc("add", "account", "-n", "my team"));
    expect(await recipe.up()).toContain("pushed account my team");
    expectSuccess(await recipe.nsc("delete", "account", "my team", "--force"));
    expect(await recipe.up()).toMatch(
      /account A[A-Z2-7]{55} is no longer in the nsc store, but servers keep it/,
    );
  });

  test("refuses to overwrite an account that its store has never seen in that form", async () => {
    await using recipe = await startRecipe();
    rmSync(join(recipe.dir, "nsc/current/recipe/pushed"), { recursive: true });
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine"));
    const { code, output } = await recipe.push();
    expect(code).toBe(1);
    expect(output).toContain("Nothing was pushed");
  });

  test("fails when no server responds", async () => {
    await using recipe = await makeRecipe();
    expectSuccess(await recipe.init());
    const { code, output } = await recipe.push({ PUSH_PATIENCE: "1" });
    expect(code).toBe(1);
    expect(output).toContain(`nats-server did not respond at ${recipe.env.NATS_URL} within 1 s`);
  });

  test("fails when a push is accepted but does not come into force", async () => {
    await using recipe = await startRecipe();
    // An account signed by an operator key that the running server does not know.
    expectSuccess(await recipe.nsc("edit", "operator", "--sk", "generate"));
    const keys = JSON.parse(expectSuccess(await recipe.nsc("describe", "operator", "--json"))) as {
      nats: { signing_keys: string[] };
    };
    const known = expectSuccess(
      await recipe.run(["sh", "-c", `cut -d. -f2 ${recipe.dir}/nats/config/resolver.conf`]),
    );
    const unknown = keys.nats.signing_keys.find(
      (key) => !Buffer.from(known, "base64url").toString().includes(key),
    ) as string;
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "mine", "-K", unknown));
    expectSuccess(await recipe.init());
    const { code, output } = await recipe.push({ PUSH_PATIENCE: "2" });
    expect(code).toBe(1);
    expect(output).toMatch(/can't reload its configuration|still runs with another configuration/);
    await recipe.stopServer();
    expect(await recipe.up()).toContain("all is in force");
  });

  test("waits for a server that stops just as its configuration is requested", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.nsc("edit", "operator", "--sk", "generate"));
    expectSuccess(await recipe.init());
    // The request after the one for a restart is held back until the server has exited.
    const at = (name: string) => join(recipe.dir, name);
    mkdirSync(at("bin"));
    writeFileSync(
      at("bin/nats"),
      `#!/bin/sh
case "$*" in *--replies*STATSZ*)
  if [ -e "$SERVER_DIR/config/restart" ] && [ ! -e ${at("gone")} ]; then
    : >${at("requested")}
    until [ -e ${at("gone")} ]; do sleep 0.05; done
  fi
esac
PATH=\${PATH#*:} exec nats "$@"
`,
      { mode: 0o755 },
    );
    const push = recipe.push({ PATH: `${at("bin")}:${recipe.env.PATH}` });
    while (!existsSync(at("requested"))) await Bun.sleep(20);
    await recipe.stopServer();
    writeFileSync(at("gone"), "");
    await Bun.sleep(500);
    await recipe.startServer();
    const output = expectSuccess(await push);
    expect(output).toContain("asking it to restart");
    expect(output).toContain("all is in force");
  });

  test("has servers reload a changed nats.conf", async () => {
    await using recipe = await makeRecipe();
    const files = join(recipe.dir, "server-files");
    cpSync(recipe.env.SERVER_FILES as string, files, { recursive: true });
    await recipe.up();
    writeFileSync(
      join(files, "nats.conf"),
      `${await Bun.file(join(files, "nats.conf")).text()}\nmax_payload: 2048\n`.replace(
        "max_payload: 1MB",
        "",
      ),
    );
    expectSuccess(await recipe.init({ SERVER_FILES: files }));
    expect(expectSuccess(await recipe.push())).toContain("nats-server reloaded its configuration");
    const varz = (await (await fetch(`${recipe.monitoring()}/varz`)).json()) as {
      max_payload: number;
    };
    expect(varz.max_payload).toBe(2048);
  });

  test("sends an account again whose copy on the server was cut short", async () => {
    await using recipe = await startRecipe();
    await recipe.stopServer("SIGKILL");
    truncateSync(join(recipe.dir, "nats/jwt", `${recipe.account().sub}.jwt`), 0);
    expect(await recipe.up()).toContain("pushed account app");
  });

  test("logs in to each role with a value for each function and tag of its subjects", async () => {
    await using recipe = await startRecipe();
    recipe.writeRole("chat", {
      pub: { allow: ["chat.{{tag(org)}}.{{name()}}"] },
      sub: { allow: ["chat.{{tag(org)}}.*"], deny: ["chat.{{tag(org)}}.*.>"] },
    });
    recipe.writeRole("more", {
      pub: {
        allow: ["a.{{tag(a)}}.{{tag(b-c)}}"],
        deny: ["a.{{tag(d_1)}}.{{subject()}}.{{account-subject()}}"],
      },
      sub: { allow: [">"], deny: ["{{account-name()}}.{{tag(e)}}", "no.{{name()}}.{{tag(e)}}.>"] },
      connection_types: ["WEBSOCKET"],
    });
    const output = await recipe.up();
    expect(output).toContain("nats-push: all is in force\n");
    expect(output).toContain("wrote the keys of backend browser chat more page room service");
    const log = readFileSync(join(recipe.dir, "nats-server.log"), "utf8");
    expect(log).not.toContain("Violation");
  });

  test("names a role whose users the server refuses, and the others are in force", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--tag", "org:acme"));
    recipe.writeRole("acme", {
      pub: { allow: ["x"] },
      sub: { allow: ["y"], deny: ["y.{{account-tag(org)}}"] },
    });
    expect(await recipe.up()).toContain("all is in force\n");
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--rm-tag", "org:acme"));
    const output = await recipe.up();
    expect(output).toContain("role acme: its file can't be applied; its last good one stays in force");
    expect(output).toContain("role acme: the server refuses its users");
    expect(output).toContain("all is in force, but the server refuses users of: acme");
    const refused: string[] = [];
    const keys = await watchKeys(join(recipe.dir, "keys"), {
      onUnusableRole: ({ message }) => refused.push(message),
    });
    expect([...keys.mint().roles].sort()).toEqual(["backend", "browser", "page", "room", "service"]);
    expect(refused).toEqual([expect.stringContaining("acme")]);
    keys.close();
  });

  test("fails when a role's users can't log in", async () => {
    await using recipe = await startRecipe();
    const { code, output } = await recipe.push({ NATS_WS_URL: "ws://127.0.0.1:1" });
    expect(code).toBe(1);
    expect(output).toContain("a user of role browser can't log in at ws://127.0.0.1:1");
  });
});

describe("what nats-push records about the server", () => {
  /** Puts a script before a program on the PATH of the recipe's scripts. */
  function wrap(recipe: Recipe, program: string, script: string): Record<string, string> {
    const bin = join(recipe.dir, `wrapped-${program}`);
    mkdirSync(bin);
    const path = recipe.env.PATH ?? "";
    writeFileSync(join(bin, program), `#!/bin/sh\nPATH='${path}'\n${script}\nexec ${program} "$@"\n`, {
      mode: 0o755,
    });
    return { PATH: `${bin}:${path}` };
  }

  const edit = ["/bin/sh", join(import.meta.dirname, "../../fs/nsc/nsc.sh"), "edit", "account", "-n", "app"];

  test("is not lost to an edit that began before", async () => {
    await using recipe = await startRecipe();
    recipe.writeRole("browser", role("new"));
    expectSuccess(await recipe.init());
    const pipe = join(recipe.dir, "pipe");
    expectSuccess(await recipe.run(["mkfifo", pipe]));
    const slow = wrap(recipe, "nsc", `case "$*" in *--tag*) : >'${pipe}'; read -r _ <'${pipe}' ;; esac`);
    const editing = recipe.run([...edit, "--tag", "late"], slow);
    // The edit has its copy of the store once it opens the pipe.
    expectSuccess(await recipe.run(["sh", "-c", `read -r _ <'${pipe}' || :`]));
    expectSuccess(await recipe.push());
    expectSuccess(await recipe.run(["sh", "-c", `echo >'${pipe}'`]));
    const { code, output } = await editing;
    expect(output).toContain("was changed by another run at the same time");
    expect(code).toBe(1);
    expect(await recipe.up()).toContain("nothing to push");
  });

  test("is in the store that an edit made meanwhile", async () => {
    await using recipe = await startRecipe();
    recipe.writeRole("browser", role("new"));
    expectSuccess(await recipe.init());
    const done = join(recipe.dir, "done");
    const edits = [...edit, "--tag", "meanwhile"].map((word) => `'${word}'`).join(" ");
    const script = `case "$*" in *CLAIMS.UPDATE*) [ -e '${done}' ] || { : >'${done}'; ${edits} >/dev/null 2>&1; } ;; esac`;
    expectSuccess(
      await recipe.run(
        ["/bin/sh", join(import.meta.dirname, "../../fs/nats-push/push.sh")],
        wrap(recipe, "nats", script),
      ),
    );
    expect(recipe.account().nats.tags).toEqual(["meanwhile"]);
    expect(recipe.accountOnServer().nats.tags).toBeUndefined();
    expect(await recipe.up()).toContain("nats-push: pushed account app");
    expect(recipe.accountOnServer().nats.tags).toEqual(["meanwhile"]);
  });
});
