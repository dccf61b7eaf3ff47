import { describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  type AccountClaims,
  copyRecipe,
  expectSuccess,
  makeRecipe,
  type Recipe,
  startRecipe,
} from "./recipe.ts";

const role = (more: object = {}) => ({
  pub: { allow: ["a.{{name()}}"] },
  sub: { allow: ["b.{{name()}}"] },
  ...more,
});

const scopedKeys = (claims: AccountClaims) =>
  Object.fromEntries(
    claims.nats.signing_keys.filter((key) => typeof key !== "string").map((key) => [key.role, key]),
  );
const plainKeys = (claims: AccountClaims) =>
  claims.nats.signing_keys.filter((key) => typeof key === "string");

const everything = ({ dir, run }: Recipe) =>
  run(["/bin/sh", "-c", `cd ${dir} && find nsc nats -type f | sort | xargs cksum`]).then(expectSuccess);

describe("a first run", () => {
  test("makes operator, accounts, a plain key and a scoped key per role", async () => {
    await using recipe = await makeRecipe();
    expectSuccess(await recipe.init());
    const claims = recipe.account();
    expect(Object.keys(scopedKeys(claims)).sort()).toEqual(["backend", "browser", "page", "room", "service"]);
    expect(plainKeys(claims)).toHaveLength(1);
    expect(claims.nats.limits).toMatchObject({
      conn: 9900,
      mem_storage: 128 * 2 ** 20,
      disk_storage: 5 * 2 ** 30,
      streams: 100,
      consumer: 1000,
    });
    expect(claims.nats).toMatchObject({
      default_permissions: { pub: { deny: [">"] }, sub: { deny: [">"] } },
    });
    const operator = expectSuccess(await recipe.nsc("describe", "operator", "--json"));
    expect(JSON.parse(operator).nats).toMatchObject({
      strict_signing_key_usage: true,
      signing_keys: [expect.any(String)],
    });
  });

  test("leaves a state that plain nsc finds, in the environment of a nats-box container", async () => {
    await using recipe = await makeRecipe();
    expectSuccess(await recipe.init());
    const nsc = join(recipe.dir, "nsc");
    const output = expectSuccess(
      await recipe.run(["nsc", "list", "accounts"], {
        XDG_DATA_HOME: nsc,
        XDG_CONFIG_HOME: join(nsc, ".config"),
        NKEYS_PATH: join(nsc, "nkeys"),
      }),
    );
    expect(output).toContain("app");
  });

  test("writes nothing that others on the machine can read", async () => {
    await using recipe = await makeRecipe();
    expectSuccess(await recipe.init());
    const open = expectSuccess(
      await recipe.run([
        "find",
        join(recipe.dir, "nsc"),
        "(",
        "-type",
        "f",
        "-o",
        "-type",
        "d",
        ")",
        "-perm",
        "/077",
      ]),
    );
    expect(open).toBe("");
  });

  test("prints no secret", async () => {
    await using recipe = await makeRecipe();
    expect(await recipe.up()).not.toMatch(/S[OAU][A-Z2-7]{56}/);
  });
});

describe("a second run", () => {
  test("changes nothing and reports it", async () => {
    await using recipe = await startRecipe();
    expectSuccess(await recipe.init());
    const before = await everything(recipe);
    expect(expectSuccess(await recipe.init())).toBe("nats-init: nothing to change\n");
    expect(expectSuccess(await recipe.push())).toBe("nats-push: nothing to push: all is in force\n");
    expect(expectSuccess(await recipe.export())).toBe("nats-export: nothing to change\n");
    expect(await everything(recipe)).toBe(before);
  });

  test("refuses another operator's or account's name and says what to do", async () => {
    await using recipe = await startRecipe();
    const before = await everything(recipe);
    for (const [name, was] of [
      ["NATS_OPERATOR", "nats-mint"],
      ["NATS_ACCOUNT", "app"],
    ] as const) {
      const { code, output } = await recipe.init({ [name]: "other" });
      expect(code).toBe(1);
      expect(output).toContain(`Set ${name}=${was}, or start anew`);
    }
    expect(await everything(recipe)).toBe(before);
  });

  test("refuses to make a new store when there is data of an operator whose keys are missing", async () => {
    await using recipe = await copyRecipe();
    rmSync(join(recipe.dir, "nsc"), { recursive: true });
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("belongs to an operator whose keys are not in");
  });

  test("fails when a JWT of the store is cut short", async () => {
    await using recipe = await copyRecipe();
    truncateSync(recipe.accountFile(), 0);
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("is damaged: app.jwt is not a JWT. Bring back a backup");
  });

  test("restores a server's copy of the system account that was cut short", async () => {
    await using recipe = await startRecipe();
    await recipe.stopServer("SIGKILL");
    const system = expectSuccess(
      await recipe.run([
        "sh",
        "-c",
        `sed -n 's/^system_account: //p' ${recipe.dir}/nats/config/resolver.conf`,
      ]),
    ).trim();
    truncateSync(join(recipe.dir, "nats/jwt", `${system}.jwt`), 100);
    expect(await recipe.up()).toContain("all is in force");
  });
});

describe("settings", () => {
  const wrong: [string, string, string][] = [
    ["NATS_OPERATOR", "a b", "letters, digits"],
    ["NATS_OPERATOR", "../x", "letters, digits"],
    ["NATS_ACCOUNT", "x\ny", "line break"],
    ["NATS_ACCOUNT", "SYS", "system account"],
    ["NATS_ACCOUNT", "", "is not set"],
    ["NATS_WS_ORIGINS", "[]", "at least one origin"],
    ["NATS_WS_ORIGINS", '["*"]', "at least one origin"],
    ["NATS_WS_ORIGINS", "http://localhost", "JSON list"],
    ["NATS_WS_ORIGINS", '["http://localhost/path"]', "without paths"],
    ["NATS_WS_ORIGINS", '["https://app.example.com:443"]', '"https://app.example.com" instead of'],
    ["NATS_WS_ORIGINS", '["https://bücher.example"]', '"https://xn--bcher-kva.example" instead of'],
    ["NATS_ACCOUNT_JS_DISK", "5G", "a size such as"],
    ["NATS_ACCOUNT_JS_DISK", "5TB", "can't be larger than"],
    ["NATS_ACCOUNT_JS_STREAMS", "-1", "whole number"],
    ["NATS_ACCOUNT_CONNECTIONS", "9991", "less 10, which are for the recipe's own logins"],
    ["NATS_ACCOUNT_CONNECTIONS", "-1", "whole number"],
    ["NATS_MAX_CONNECTIONS", "9909", "less 10, which are for the recipe's own logins"],
    ["NATS_MEMORY", "2G", "a size such as"],
    ["NATS_MEMORY", "1700MB", "can't be more than 95 %"],
    ["NATS_GOMEMLIMIT", "2GB", "1700MiB or 3GiB"],
    ["NATS_GOMEMLIMIT", "3GiB", "can't be more than 95 %"],
    ["NATS_JS_MEMORY", "2GB", "must be less than NATS_GOMEMLIMIT"],
    ["NATS_CONFLICT", "yes", "stop, server or store"],
  ];
  test.each(wrong)("%s=%p is refused before anything is made", async (name, value, sentence) => {
    await using recipe = await makeRecipe();
    const { code, output } = await recipe.init({ [name]: value });
    expect(code).toBe(1);
    expect(output).toContain(name);
    expect(output).toContain(sentence);
    expect(existsSync(join(recipe.dir, "nsc"))).toBe(false);
  });

  test("a changed limit is applied, one that was changed elsewhere is kept", async () => {
    await using recipe = await copyRecipe();
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--js-consumer", "7"));
    const output = expectSuccess(await recipe.init({ NATS_ACCOUNT_JS_STREAMS: "5" }));
    expect(output).toContain("set limits: streams");
    expect(output).toContain("limit consumer was changed elsewhere, not in .env; it is kept");
    expect(recipe.account().nats.limits).toMatchObject({ streams: 5, consumer: 7 });
  });

  test("the connections of an account that an older version made without a limit are limited, those that were set are not changed", async () => {
    await using recipe = await copyRecipe();
    const record = join(recipe.dir, "nsc/current/recipe/applied/account.json");
    const olderVersion = async (conns: string) => {
      expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--conns", conns));
      const { limits, ...others } = JSON.parse(readFileSync(record, "utf8"));
      delete limits.conn;
      writeFileSync(record, JSON.stringify({ ...others, limits }));
    };
    await olderVersion("-1");
    expect(expectSuccess(await recipe.init())).toContain("set limits: conn");
    expect(recipe.account().nats.limits.conn).toBe(9900);

    await olderVersion("5");
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("the account's limit conn was changed both in .env and in the account");
    expect(expectSuccess(await recipe.init({ NATS_CONFLICT: "server" }))).toContain(
      "limit conn was changed elsewhere",
    );
    expectSuccess(await recipe.init());
    expect(recipe.account().nats.limits.conn).toBe(5);
  });

  test("a limit that was changed both in .env and elsewhere fails, until NATS_CONFLICT says which change is kept", async () => {
    await using recipe = await copyRecipe();
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--js-consumer", "7"));
    const { code, output } = await recipe.init({ NATS_ACCOUNT_JS_CONSUMERS: "8" });
    expect(code).toBe(1);
    expect(output).toContain("changed both in .env and in the account");
    expect(recipe.account().nats.limits.consumer).toBe(7);
    expectSuccess(await recipe.init({ NATS_ACCOUNT_JS_CONSUMERS: "8", NATS_CONFLICT: "store" }));
    expect(recipe.account().nats.limits.consumer).toBe(8);
  });
});

describe("role files", () => {
  const both = role();
  const wrong: [string, unknown, string][] = [
    ["an unknown field", { ...both, publish: [] }, 'unknown field "publish"'],
    ["an unknown limit", { ...both, limits: { sub: 1 } }, 'limits: unknown field "sub"'],
    ["no sub", { pub: both.pub }, "sub is missing"],
    ["no pub", { sub: both.sub }, "pub is missing"],
    ["an empty pub", { ...both, pub: {} }, "pub.allow is empty"],
    ["an empty sub.allow", { ...both, sub: { allow: [] } }, "sub.allow is empty"],
    ["only denials", { ...both, pub: { deny: ["x"] } }, "pub.allow is empty"],
    ["an empty token", { ...both, pub: { allow: ["a..b"] } }, "has an empty token"],
    ["a leading dot", { ...both, pub: { allow: [".a"] } }, "has an empty token"],
    ["a wildcard in a token", { ...both, pub: { allow: ["a.b*"] } }, "wildcard inside a token"],
    ["> in the middle", { ...both, pub: { allow: ["a.>.b"] } }, "has > before its end"],
    [
      "an unknown function",
      { ...both, pub: { allow: ["a.{{nme()}}"] } },
      "template function that the server does not know",
    ],
    [
      "a function left open",
      { ...both, pub: { allow: ["a.{{name()"] } },
      "template function that the server does not know",
    ],
    [
      "a tag in upper case",
      { ...both, pub: { allow: ["a.{{tag(Room)}}"] } },
      "template function that the server does not know",
    ],
    ["a space", { ...both, pub: { allow: ["a b"] } }, "holds a space"],
    ["a comma", { ...both, pub: { allow: ["a,b"] } }, "holds a comma"],
    ["a line break", { ...both, pub: { allow: ["a\nb"] } }, "holds a space"],
    ["a subject that is no text", { ...both, pub: { allow: [1] } }, "is not text"],
    ["a subject in place of a list", { ...both, pub: { allow: "a" } }, "must be lists of subjects"],
    ["a bad denied subject", { ...both, sub: { allow: ["a"], deny: ["a..b"] } }, "sub.deny"],
    ["an unknown connection type", { ...both, connection_types: ["WS"] }, "connection_types must list"],
    ["no connection types", { ...both, connection_types: [] }, "connection_types must list"],
    ["a limit of 0", { ...both, limits: { subs: 0 } }, "limits.subs must be a whole number from 1"],
    ["a long ttl", { ...both, ttl: 86400 }, "ttl must be"],
    ["a ttl as text", { ...both, ttl: "15m" }, "ttl must be"],
    ["responses without an end", { ...both, responses: { max: 1 } }, "responses must be"],
    [
      "responses to itself",
      { pub: { allow: ["a.>"] }, sub: { allow: ["a.b"] }, responses: { max: 1, ttl: 5 } },
      "publish anywhere",
    ],
    [
      "responses to itself by a tag",
      { pub: { allow: ["a.{{tag(x)}}"] }, sub: { allow: ["*.b queue"] }, responses: { max: 1, ttl: 5 } },
      "publish anywhere",
    ],
    [
      "a last * to subscribe to",
      { ...both, sub: { allow: ["a.*"] } },
      'also allows a subscription to "a.>": deny "a.*.>" beside it',
    ],
    [
      "a queue group beside a function",
      { ...both, sub: { allow: ["jobs group", "users.{{name()}}.>"] } },
      "names a queue group in a list with {{…}}",
    ],
    [
      "a queue group behind a function, denied",
      { ...both, sub: { allow: ["users.>"], deny: ["users.{{name()}}.x group"] } },
      "sub.deny: ",
    ],
    ["a * alone to subscribe to", { ...both, sub: { allow: ["* group"] } }, 'deny "*.>" beside it'],
    ["a description of two lines", { ...both, description: "a\nb" }, "description must be one line"],
    [
      "a key that stands twice",
      '{"pub":{"allow":["a"],"deny":["b"]},"sub":{"allow":["a"]},"pub":{"allow":["a"]}}',
      "has the same key twice",
    ],
    [
      "a limit that stands twice",
      '{"pub":{"allow":["a"]},"sub":{"allow":["a"]},"limits":{"subs":1,"subs":99}}',
      "has the same key twice",
    ],
    ["a list", [], "must be a JSON object"],
    ["no JSON", "{", "is not JSON: line 1, column "],
    ["a comma too many", '{\n  "pub": { "allow": ["a"], },\n}', "is not JSON: line 2, column 28: "],
    ["a comment", "{\n\n  // a role\n}", "is not JSON: line 3, column "],
    ["nothing", "", "must hold one JSON object"],
    ["two objects", "{} {}", "must hold one JSON object"],
  ];
  test.each(wrong)(
    "with %s are refused with a message by the check, before anything is made",
    async (_, content, sentence) => {
      await using recipe = await makeRecipe();
      recipe.writeRole("wrong", content);
      const { code, output } = await recipe.init({}, "check");
      expect(output).toContain("roles/wrong.json: ");
      expect(output).toContain(sentence);
      expect(output).toContain("these roles have files that can't be applied: wrong");
      expect(code).toBe(1);
      expect(existsSync(join(recipe.dir, "nsc"))).toBe(false);
    },
  );

  test("with mistakes are named and left out, and the other roles are served", async () => {
    await using recipe = await makeRecipe();
    recipe.writeRole("one", {});
    recipe.writeRole("two", "x");
    recipe.writeRole("My role", role());
    recipe.writeRole("good", role());
    const output = await recipe.up();
    for (const name of ["one", "two"]) {
      expect(output).toContain(`roles/${name}.json: `);
      expect(output).toContain(
        `role ${name}: its file can't be applied; the other roles are served without it`,
      );
    }
    expect(output).toContain("roles/My role.json: its name must be lower case");
    expect(output).toContain("nats-export: wrote the keys of backend browser good page room service");
    expect(Object.keys(scopedKeys(recipe.account())).sort()).toEqual([
      "backend",
      "browser",
      "good",
      "page",
      "room",
      "service",
    ]);

    recipe.writeRole("one", role());
    expect(await recipe.up()).toContain("role one: added");
  });

  test.each([
    ["wrong JSON", "{"],
    ["a wrong subject", { pub: { allow: ["a..b"] }, sub: { allow: ["x"] } }],
    ["no sub", { pub: { allow: ["a"] } }],
    [
      "a tag of the account that there is not",
      role({ sub: { allow: ["x"], deny: ["x.{{account-tag(no)}}"] } }),
    ],
  ])("that get %s leave their last good permissions in force", async (_, content) => {
    await using recipe = await copyRecipe();
    const before = scopedKeys(recipe.account());
    recipe.writeRole("browser", content);
    recipe.writeRole("extra", role());
    const output = expectSuccess(await recipe.init());
    expect(output).toContain("roles/browser.json: ");
    expect(output).toContain("role browser: its file can't be applied; its last good one stays in force");
    expect(output).toContain("role extra: added");
    expect(scopedKeys(recipe.account()).browser).toEqual(before.browser as never);
    expectSuccess(await recipe.export());
    expect(existsSync(join(recipe.dir, "keys/current/browser.nk"))).toBe(true);
    expect(existsSync(join(recipe.dir, "keys/current/extra.nk"))).toBe(true);
    expect((await recipe.init({}, "check")).code).toBe(1);
  });

  test("that nsc refuses are left out", async () => {
    await using recipe = await copyRecipe();
    recipe.writeRole("extra", role());
    const bin = join(recipe.dir, "bin");
    mkdirSync(bin);
    writeFileSync(
      join(bin, "nsc"),
      `#!/bin/sh\ncase "$*" in *signing-key*extra*) echo refused >&2; exit 1 ;; esac\nPATH='${recipe.env.PATH}' exec nsc "$@"\n`,
      { mode: 0o755 },
    );
    const before = recipe.account().jti;
    const output = expectSuccess(await recipe.init({ PATH: `${bin}:${recipe.env.PATH}` }));
    expect(output).toContain("nsc edit signing-key failed: refused");
    expect(output).toContain("role extra: its file can't be applied; the other roles are served without it");
    expect(recipe.account().jti).toBe(before);
    expect(expectSuccess(await recipe.init())).toContain("role extra: added");
  });

  test("that are all wrong stop a first start", async () => {
    await using recipe = await makeRecipe();
    for (const name of ["backend", "browser", "page", "room", "service"]) recipe.writeRole(name, "{}");
    const { code, output } = await recipe.init();
    expect(code).toBe(1);
    expect(output).toContain("no role could be applied, so no credential could be issued");
    expect(existsSync(join(recipe.dir, "nsc"))).toBe(false);
  });

  test("of one's own, in roles.local, take the place of those with the same name, and null removes one", async () => {
    await using recipe = await makeRecipe();
    const local = join(recipe.dir, "roles.local");
    mkdirSync(local);
    writeFileSync(join(local, "browser.json"), JSON.stringify(role()));
    writeFileSync(join(local, "own.json"), JSON.stringify(role()));
    writeFileSync(join(local, "room.json"), "null");
    writeFileSync(join(local, "wrong.json"), "{}");
    const output = expectSuccess(await recipe.init());
    expect(output).toContain("roles.local/wrong.json: pub is missing");
    const keys = scopedKeys(recipe.account());
    expect(Object.keys(keys).sort()).toEqual(["backend", "browser", "own", "page", "service"]);
    expect(keys.browser?.template).toMatchObject({
      pub: { allow: ["a.{{name()}}"] },
      sub: { allow: ["b.{{name()}}"] },
    });
    rmSync(local, { recursive: true });
    expectSuccess(await recipe.init());
    expect(Object.keys(scopedKeys(recipe.account())).sort()).toEqual([
      "backend",
      "browser",
      "page",
      "room",
      "service",
    ]);
  });

  test("are all named in the message when several are wrong", async () => {
    await using recipe = await makeRecipe();
    recipe.writeRole("one", {});
    recipe.writeRole("two", "x");
    recipe.writeRole("Three", role());
    const { output } = await recipe.init({}, "check");
    expect(output).toContain("roles/one.json");
    expect(output).toContain("roles/two.json");
    expect(output).toContain("roles/Three.json: its name must be lower case");
    expect(output).toMatch(/can't be applied: Three one two\n/);
  });

  test("become scoped keys with exactly their permissions", async () => {
    await using recipe = await makeRecipe();
    recipe.writeRole("everything", {
      description: "quotes ' and $(touch /tmp/x) and spaces",
      pub: { allow: ["$JS.API.INFO", "q.{{tag(room)}}.{{name()}}"], deny: ["q.secret.>"] },
      sub: {
        allow: ["w.{{subject()}}", "z.{{account-name()}}.*"],
        deny: ["z.no", "z.{{account-name()}}.*.>"],
      },
      responses: { max: 3, ttl: 60 },
      connection_types: ["WEBSOCKET", "STANDARD"],
      limits: { subs: 5, payload: 1024, data: 99999 },
      ttl: 60,
    });
    expectSuccess(await recipe.init());
    expect(scopedKeys(recipe.account()).everything).toMatchObject({
      description: "quotes ' and $(touch /tmp/x) and spaces",
      template: {
        pub: { allow: ["$JS.API.INFO", "q.{{tag(room)}}.{{name()}}"], deny: ["q.secret.>"] },
        sub: {
          allow: ["w.{{subject()}}", "z.{{account-name()}}.*"],
          deny: ["z.no", "z.{{account-name()}}.*.>"],
        },
        resp: { max: 3, ttl: 60e9 },
        subs: 5,
        payload: 1024,
        data: 99999,
      },
    });
  });

  test("that are added, changed and removed are applied; a changed role keeps its key; the other roles are not changed", async () => {
    await using recipe = await makeRecipe();
    recipe.writeRole("extra", role({ responses: { max: 1, ttl: 5 }, limits: { subs: 3 } }));
    await recipe.up();
    const first = scopedKeys(recipe.account());

    recipe.writeRole("extra", role({ pub: { allow: ["c.>"] } }));
    expect(expectSuccess(await recipe.init())).toBe("nats-init: role extra: changed\nnats-init: ready\n");
    const second = scopedKeys(recipe.account());
    expect(second.extra?.key).toBe(first.extra?.key as string);
    expect(second.extra?.template).toEqual({ pub: { allow: ["c.>"] }, sub: { allow: ["b.{{name()}}"] } });
    expect(second.browser).toEqual(first.browser as never);

    recipe.removeRole("extra");
    expect(expectSuccess(await recipe.init())).toBe("nats-init: role extra: removed\nnats-init: ready\n");
    expect(Object.keys(scopedKeys(recipe.account()))).not.toContain("extra");
  });

  test("of which only the ttl changed are recorded, and the account is not signed again", async () => {
    await using recipe = await makeRecipe();
    recipe.writeRole("extra", role({ ttl: 60 }));
    await recipe.up();
    const before = readFileSync(recipe.accountFile(), "utf8");
    recipe.writeRole("extra", role({ ttl: 120 }));
    expectSuccess(await recipe.init());
    expect(readFileSync(recipe.accountFile(), "utf8")).toBe(before);
    expectSuccess(await recipe.export());
    expect(JSON.parse(readFileSync(join(recipe.dir, "keys/current/roles.json"), "utf8")).extra).toEqual({
      ttl: 120,
    });
  });
});

describe("the export", () => {
  test("gives backends the account's identity and plain signing key, readable by the owner only", async () => {
    await using recipe = await copyRecipe();
    const file = join(recipe.dir, "secrets/.env.account");
    expect(readFileSync(file, "utf8")).toMatch(
      new RegExp(`^NATS_ACCOUNT_KEY=${recipe.account().sub}\nNATS_ACCOUNT_SECRET=SA[A-Z2-7]{56}\n$`),
    );
    expect(lstatSync(file).mode & 0o777).toBe(0o600);
  });

  test("gives the mint a new directory, as a whole, only when something changed", async () => {
    await using recipe = await startRecipe();
    const current = join(recipe.dir, "keys/current");
    const first = readlinkSync(current);
    expectSuccess(await recipe.export());
    expect(readlinkSync(current)).toBe(first);
    recipe.writeRole("extra", role());
    await recipe.up();
    expect(readlinkSync(current)).not.toBe(first);
    expect(existsSync(join(current, "extra.nk"))).toBe(true);
    expect(existsSync(join(current, "account.jwt"))).toBe(true);
  });

  test("fails when a private key is missing from the store", async () => {
    await using recipe = await copyRecipe();
    const { key } = scopedKeys(recipe.account()).browser as { key: string };
    expectSuccess(
      await recipe.run(["find", join(recipe.dir, "nsc/current/"), "-name", `${key}.nk`, "-delete"]),
    );
    const { code, output } = await recipe.export();
    expect(code).toBe(1);
    expect(output).toContain(`is damaged: the private key of ${key} is missing. Bring back a backup`);
  });

  test("gives the mint no key that can do more than a role", async () => {
    await using recipe = await copyRecipe();
    const plain =
      readFileSync(join(recipe.dir, "secrets/.env.account"), "utf8").trim().split("=").at(-1) ?? "";
    const { code } = await recipe.run(["grep", "-r", plain, join(recipe.dir, "keys")]);
    expect(code).toBe(1);
  });
});

test("an operator's own scoped keys are not changed and not exported to the mint", async () => {
  await using recipe = await startRecipe();
  expectSuccess(
    await recipe.nsc(
      "edit",
      "signing-key",
      "-a",
      "app",
      "--sk",
      "generate",
      "--role",
      "own",
      "--allow-pubsub",
      "x",
    ),
  );
  await recipe.up();
  expect(Object.keys(scopedKeys(recipe.account()))).toContain("own");
  expect(existsSync(join(recipe.dir, "keys/current/own.nk"))).toBe(false);
});

test("a role file with the name of an operator's own role but other permissions fails", async () => {
  await using recipe = await copyRecipe();
  expectSuccess(
    await recipe.nsc(
      "edit",
      "signing-key",
      "-a",
      "app",
      "--sk",
      "generate",
      "--role",
      "own",
      "--allow-pubsub",
      "x",
    ),
  );
  recipe.writeRole("own", role());
  const { code, output } = await recipe.init();
  expect(code).toBe(1);
  expect(output).toContain("role own was changed both in its file and in the account");
});

test("copies of the store that a killed run left behind are removed once they are an hour old", async () => {
  await using recipe = await copyRecipe();
  const copy = (name: string) => join(recipe.dir, "nsc/generations", name);
  for (const name of ["old", "young"])
    cpSync(join(recipe.dir, "nsc/current/"), copy(name), { recursive: true });
  const longAgo = new Date(Date.now() - 2 * 3600_000);
  utimesSync(copy("old"), longAgo, longAgo);
  expectSuccess(await recipe.init());
  expect(existsSync(copy("old"))).toBe(false);
  expect(existsSync(copy("young"))).toBe(true);
  expect(recipe.generations()).toHaveLength(2);
});

/** Removes these programs from the PATH of a recipe's scripts. */
function removePrograms({ dir, env }: Recipe, ...programs: string[]): void {
  const bin = join(dir, "bin");
  mkdirSync(bin);
  for (const directory of (env.PATH ?? "").split(":")) {
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory)) {
      const link = join(bin, name);
      if (!programs.includes(name) && !lstatSync(link, { throwIfNoEntry: false }))
        symlinkSync(join(directory, name), link);
    }
  }
  env.PATH = bin;
}

const LOCKS: [string, string[]][] = [
  ["flock", []],
  ["Perl", ["flock"]],
  ["a link", ["flock", "perl"]],
];

test.each(LOCKS)(
  "of several runs at the same time, locked with %s, one succeeds, the others fail with a message, and the store stays valid",
  async (_, missing) => {
    await using recipe = await copyRecipe();
    removePrograms(recipe, ...missing);
    const account = recipe.account().sub;
    for (let round = 0; round < 3; round++) {
      const edits = ["a", "b", "c", "d", "e", "f"].map((name) =>
        recipe.nsc("edit", "account", "-n", "app", "--tag", `${name}${round}`).then((outcome) => ({
          ...outcome,
          tag: `${name}${round}`,
        })),
      );
      const outcomes = await Promise.all(edits);
      expect(outcomes.some(({ code }) => code === 0)).toBe(true);
      // An edit that reported success is in force: no other one replaced it unseen.
      for (const { code, output, tag } of outcomes)
        if (code === 0) expect(recipe.account().nats.tags).toContain(tag);
        else expect(output).toContain("was changed by another run at the same time");
      expect(recipe.account().sub).toBe(account);
      expect(expectSuccess(await recipe.nsc("validate", "--all-accounts"))).toContain("No issues found");
    }
  },
);

test("a lock that is a link and was left behind by a killed run is released", async () => {
  await using recipe = await copyRecipe();
  removePrograms(recipe, "flock", "perl");
  const lock = join(recipe.dir, "nsc/lock.link");
  symlinkSync("4711-abcdef", lock);
  expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--tag", "later"));
  expect(recipe.account().nats.tags).toContain("later");
  expect(readdirSync(join(recipe.dir, "nsc"))).not.toContain("lock.link");
});

test.each(LOCKS.slice(0, 2))(
  "a run that waits for the lock, with %s, says so and can be terminated",
  async (_, missing) => {
    await using recipe = await copyRecipe();
    removePrograms(recipe, ...missing);
    const lock = join(recipe.dir, "nsc/lock");
    await using holder = Bun.spawn(["sh", "-c", 'exec 9>>"$0"; flock 9; echo held; exec sleep 600', lock], {
      stdout: "pipe",
    });
    await holder.stdout.getReader().read();
    await using waiting = Bun.spawn(["/bin/sh", join(import.meta.dirname, "../../fs/nats-init/init.sh")], {
      env: recipe.env,
      stdout: "pipe",
    });
    let output = "";
    const decoder = new TextDecoder();
    for await (const chunk of waiting.stdout) {
      output += decoder.decode(chunk, { stream: true });
      if (output.includes("waiting for another run")) waiting.kill("SIGTERM");
    }
    expect(output).toContain(`waiting for another run, which holds ${lock}`);
    expect(await waiting.exited).toBe(1);
  },
);

test("nats-init that is terminated while the store is switched over leaves a valid store", async () => {
  await using recipe = await copyRecipe();
  const account = recipe.account().sub;
  const link = join(recipe.dir, "nsc/current");
  for (let round = 0; round < 8; round++) {
    recipe.writeRole("extra", role({ ttl: 60 + round }));
    const before = readlinkSync(link);
    const child = Bun.spawn(["/bin/sh", join(import.meta.dirname, "../../fs/nats-init/init.sh")], {
      env: recipe.env,
      stdio: ["ignore", "ignore", "ignore"],
    });
    while (child.exitCode === null && readlinkSync(link) === before) await Bun.sleep(0);
    child.kill("SIGTERM");
    await child.exited;
    expect(recipe.account().sub).toBe(account);
  }
  expectSuccess(await recipe.init());
});

test("a missing link to the store in force is made again, however old the store is", async () => {
  await using recipe = await copyRecipe();
  const account = recipe.account().sub;
  const link = (name: string) => join(recipe.dir, "nsc", name);
  const store = readlinkSync(link("current"));
  const longAgo = new Date(Date.now() - 2 * 3600_000);
  utimesSync(link(store), longAgo, longAgo);
  rmSync(link("current"));
  expectSuccess(await recipe.init());
  expect(recipe.account().sub).toBe(account);

  // The state after a run that was killed while it moved both links.
  symlinkSync(store, link("previous"));
  rmSync(link("current"));
  expectSuccess(await recipe.init());
  expect(recipe.account().sub).toBe(account);
  expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--description", "next"));
  expect(readlinkSync(link("previous"))).toBe(store);
});

test("an account whose name ends like another one's is not confused with it", async () => {
  await using recipe = await makeRecipe();
  expectSuccess(await recipe.init());
  for (const name of ["my SYS", "my app"]) expectSuccess(await recipe.nsc("add", "account", "-n", name));
  const output = await recipe.up();
  for (const name of ["my SYS", "my app", "app"]) expect(output).toContain(`pushed account ${name}\n`);
  expect(await recipe.up()).toContain("nats-push: nothing to push: all is in force");
});

describe("nsc", () => {
  test("refuses a command that leaves a store the recipe can't work with", async () => {
    await using recipe = await copyRecipe();
    const before = recipe.account().jti;
    for (const command of [
      ["add", "operator", "--name", "second"],
      ["delete", "account", "app", "--force"],
    ]) {
      const { code, output } = await recipe.nsc(...command);
      expect(code).toBe(1);
      expect(output).toContain("that would leave a store that the recipe can't work with");
    }
    expect(recipe.account().jti).toBe(before);
    expect(expectSuccess(await recipe.init())).toBe("nats-init: nothing to change\n");
  });

  test("users whose signing key was removed do not stop a start", async () => {
    await using recipe = await startRecipe();
    const { key } = scopedKeys(recipe.account()).service as { key: string };
    expectSuccess(await recipe.nsc("add", "user", "-a", "app", "-n", "svc", "-K", key));
    expectSuccess(await recipe.nsc("edit", "account", "-n", "app", "--rm-sk", key));
    expect(await recipe.up()).toContain("all is in force");
  });
});
