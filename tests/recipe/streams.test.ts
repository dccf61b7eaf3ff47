import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { connect, credsAuthenticator, type JetStreamManager, type StreamConfig } from "nats";
import { logIn, plainUser } from "../mint/parts.ts";
import { expectSuccess, makeRecipe, type Recipe, startRecipe } from "./recipe.ts";

/** The streams that the recipe makes, one for each file. */

const write = ({ env }: Recipe, file: string, stream: unknown) =>
  writeFileSync(
    join(env.STREAMS_DIR ?? "", file),
    typeof stream === "string" ? stream : JSON.stringify(stream),
  );

const read = ({ env }: Recipe, file: string) =>
  JSON.parse(readFileSync(join(env.STREAMS_DIR ?? "", file), "utf8"));

/** A user with all permissions in the account, and its streams. */
async function logInAsAdmin(recipe: Recipe) {
  if (!existsSync(join(recipe.dir, "secrets/.env.account"))) expectSuccess(await recipe.export());
  const everything = { allow: [">"] };
  const { nc, close } = await logIn(await plainUser(recipe, { pub: everything, sub: everything }));
  const streams: JetStreamManager["streams"] = (await nc.jetstreamManager()).streams;
  return {
    nc,
    streams,
    names: async () => (await streams.names().next()).toSorted(),
    [Symbol.asyncDispose]: close,
  };
}

/** A recipe that is up, with a message in a room. */
async function makeUsed() {
  const recipe = await startRecipe();
  await using admin = await logInAsAdmin(recipe);
  await admin.nc.jetstream().publish("rooms.lobby.alice.chat", "hello");
  return recipe;
}

const QUIET = "nats-push: nothing to push: all is in force\n";
const role = { pub: { allow: ["x"] }, sub: { allow: ["x"] } };
const extra = { subjects: ["orders.*"], max_bytes: 2 ** 20 };

describe("a stream file", () => {
  test("makes a stream of its name with its configuration", async () => {
    await using recipe = await makeRecipe();
    expect(await recipe.up()).toContain("nats-push: made stream ROOMS\n");
    await using admin = await logInAsAdmin(recipe);
    expect(await admin.names()).toEqual(["ROOMS"]);
    const { config } = await admin.streams.info("ROOMS");
    expect(config as object).toMatchObject(read(recipe, "ROOMS.json"));
  });

  test("changes and reports nothing the second time", async () => {
    await using recipe = await makeUsed();
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
    await using admin = await logInAsAdmin(recipe);
    expect((await admin.streams.info("ROOMS")).state.messages).toBe(1);
  });

  test("may be an operator's own, added while the server runs", async () => {
    await using recipe = await makeUsed();
    write(recipe, "orders_2-b.json", { name: "orders_2-b", metadata: { owner: "me" }, ...extra });
    expect(expectSuccess(await recipe.push())).toBe(`nats-push: made stream orders_2-b\n${QUIET}`);
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
    await using admin = await logInAsAdmin(recipe);
    expect(await admin.names()).toEqual(["ROOMS", "orders_2-b"]);
    expect((await admin.streams.info("orders_2-b")).config as object).toMatchObject(extra);
  });

  test("that was removed leaves its stream as it is", async () => {
    await using recipe = await makeUsed();
    rmSync(join(recipe.env.STREAMS_DIR ?? "", "ROOMS.json"));
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
    await using admin = await logInAsAdmin(recipe);
    expect((await admin.streams.info("ROOMS")).state.messages).toBe(1);
  });

  test("makes a deleted stream again", async () => {
    await using recipe = await makeUsed();
    await using admin = await logInAsAdmin(recipe);
    await admin.streams.delete("ROOMS");
    expect(expectSuccess(await recipe.push())).toContain("made stream ROOMS");
    expect(await admin.names()).toEqual(["ROOMS"]);
  });

  test("is optional", async () => {
    await using recipe = await makeRecipe();
    rmSync(recipe.env.STREAMS_DIR ?? "", { recursive: true });
    expect(await recipe.up()).not.toContain("made stream");
  });
});

describe("an existing stream", () => {
  test("keeps what was changed on the server, and its messages", async () => {
    await using recipe = await makeUsed();
    await using admin = await logInAsAdmin(recipe);
    const changes = { max_age: 3600e9, max_msg_size: 100, description: "mine" };
    await admin.streams.update("ROOMS", changes as Partial<StreamConfig>);
    expect(expectSuccess(await recipe.push())).toBe(
      `nats-push: stream ROOMS stays as it is; its file says otherwise about description, max_age, max_msg_size\n${QUIET}`,
    );
    const { config, state } = await admin.streams.info("ROOMS");
    expect(config as object).toMatchObject(changes);
    expect(state.messages).toBe(1);
  });

  test("stays as it is when its file changes, until it is edited with the nats tool, which takes the file", async () => {
    await using recipe = await makeUsed();
    write(recipe, "ROOMS.json", { ...read(recipe, "ROOMS.json"), max_age: 3600e9 });
    expect(expectSuccess(await recipe.push())).toContain(
      "stream ROOMS stays as it is; its file says otherwise about max_age\n",
    );
    await using admin = await logInAsAdmin(recipe);
    const maxAge = async () => (await admin.streams.info("ROOMS")).config.max_age;
    expect(await maxAge()).toBe(86400e9);

    const plain = recipe.account().nats.signing_keys.find((key) => typeof key === "string") as string;
    const user = ["--account", "app", "--name", "admin"];
    expectSuccess(await recipe.nsc("add", "user", ...user, "--private-key", plain, "--allow-pubsub", ">"));
    const creds = join(recipe.dir, "admin.creds");
    expectSuccess(await recipe.nsc("generate", "creds", ...user, "--output-file", creds));
    const file = join(recipe.env.STREAMS_DIR ?? "", "ROOMS.json");
    const nats = ["nats", "-s", recipe.env.NATS_URL ?? "", "--creds", creds];
    expectSuccess(await recipe.run([...nats, "stream", "edit", "ROOMS", "--force", "--config", file]));
    expect(await maxAge()).toBe(3600e9);
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
  });

  test("keeps its messages when the server had lost its copy of the account", async () => {
    await using recipe = await makeUsed();
    await recipe.stopServer("SIGKILL");
    truncateSync(join(recipe.dir, "nats/jwt", `${recipe.account().sub}.jwt`), 0);
    expect(await recipe.up()).not.toContain("made stream");
    await using admin = await logInAsAdmin(recipe);
    expect((await admin.streams.info("ROOMS")).state.messages).toBe(1);
  });

  test("is not changed when the limits no longer allow it", async () => {
    await using recipe = await makeUsed();
    expectSuccess(await recipe.init({ NATS_ACCOUNT_JS_DISK: "1MB" }));
    expect(expectSuccess(await recipe.push())).toBe(
      "nats-push: pushed account app\nnats-push: all is in force\n",
    );
    await using admin = await logInAsAdmin(recipe);
    expect((await admin.streams.info("ROOMS")).state.messages).toBe(1);
  });
});

describe("a stream file that is wrong", () => {
  let recipe: Recipe;
  let admin: Awaited<ReturnType<typeof logInAsAdmin>>;
  beforeAll(async () => {
    recipe = await makeUsed();
    admin = await logInAsAdmin(recipe);
  });
  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    await recipe[Symbol.asyncDispose]();
  });

  const remove = (...files: string[]) => {
    for (const file of files) rmSync(join(recipe.env.STREAMS_DIR ?? "", file));
  };

  const wrong: [string, string, unknown, string][] = [
    ["is no JSON", "x.json", '{ "subjects": [', "streams/x.json: is not JSON: line 1, column "],
    ["is empty", "x.json", "", "streams/x.json: must hold one JSON object"],
    ["is a list", "x.json", [extra], "streams/x.json: must hold one JSON object"],
    ["holds two objects", "x.json", "{}{}", "streams/x.json: must hold one JSON object"],
    ["names another stream", "x.json", { name: "ROOMS" }, "streams/x.json: names a stream otherwise"],
    ["has a dot in its name", "a.b.json", extra, "streams/a.b.json: its name must be letters"],
    ["has a wildcard for a name", "*.json", extra, "streams/*.json: its name must be letters"],
    ["has a line break in its name", "a\nb.json", extra, "its name must be letters"],
  ];
  test.each(wrong)("and %s fails, and nothing is pushed", async (_, file, content, sentence) => {
    write(recipe, "orders.json", extra);
    write(recipe, file, content);
    const { code, output } = await recipe.push();
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining(sentence) });
    expect(output).toContain("stream files are wrong; nothing was pushed");
    expect(await admin.names()).toEqual(["ROOMS"]);
    remove("orders.json", file);
  });

  test("keeps the accounts from being pushed until it is corrected", async () => {
    recipe.writeRole("first", role);
    expectSuccess(await recipe.init());
    symlinkSync("nowhere", join(recipe.env.STREAMS_DIR ?? "", "x.json"));
    const { code, output } = await recipe.push();
    expect(code).toBe(1);
    expect(output).toContain("streams/x.json: can't be read");
    expect(JSON.stringify(recipe.accountOnServer())).not.toContain('"first"');
    remove("x.json");
    expectSuccess(await recipe.push());
    expect(JSON.stringify(recipe.accountOnServer())).toContain('"first"');
  });

  const refused: [string, object, string][] = [
    ["an unknown field", { subjectz: ["x"] }, 'unknown field "subjectz"'],
    ["a duration as text", { max_age: "24h" }, "max_age"],
    ["a subject that is none", { subjects: ["a..b"] }, "subject"],
    ["the subjects of another stream", { subjects: ["rooms.>"] }, "subjects overlap with an existing stream"],
    ["the subjects of JetStream itself", { subjects: ["$JS.API.>"] }, "subjects"],
    ["more than fits on a disk", { max_bytes: 2 ** 50 }, "(the limits are NATS_ACCOUNT_JS_…"],
  ];
  test.each(refused)("with %s is refused with the server's message", async (_, stream, words) => {
    write(recipe, "wrong.json", { ...stream, name: "wrong" });
    const { code, output } = await recipe.push();
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringContaining("stream wrong was not made: "),
    });
    expect(output).toContain(words);
    expect(await admin.names()).toEqual(["ROOMS"]);
    remove("wrong.json");
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
  });

  test("that the server refuses does not stop the accounts and the other streams", async () => {
    write(recipe, "a_wrong.json", { subjectz: ["x"] });
    write(recipe, "orders.json", extra);
    recipe.writeRole("second", role);
    expectSuccess(await recipe.init());
    const { code, output } = await recipe.push();
    expect(code).toBe(1);
    expect(output).toContain("made stream orders");
    expect(output).toContain("not every stream could be made; the accounts are in force");
    expect(JSON.stringify(recipe.accountOnServer())).toContain('"second"');
    expect(await admin.names()).toEqual(["ROOMS", "orders"]);
    remove("a_wrong.json", "orders.json");
  });

  test("leaves the messages of other streams in place", async () => {
    expect((await admin.streams.info("ROOMS")).state.messages).toBe(1);
  });
});

describe("the account's limits", () => {
  const limits: [string, string, string][] = [
    ["NATS_ACCOUNT_JS_DISK", "63MB", "insufficient storage resources available"],
    ["NATS_ACCOUNT_JS_STREAMS", "1", "maximum number of streams reached"],
  ];
  test.each(limits)(
    "%s=%s refuses a stream that exceeds it, with a message",
    async (variable, value, words) => {
      await using recipe = await makeRecipe();
      write(recipe, "A.json", { ...extra, max_bytes: 1024 });
      expectSuccess(await recipe.init({ [variable]: value }));
      await recipe.startServer();
      const { code, output } = await recipe.push();
      expect(code).toBe(1);
      expect(output).toContain(
        `stream ROOMS was not made: ${words} (the limits are NATS_ACCOUNT_JS_… and NATS_JS_… in .env)`,
      );
      expectSuccess(await recipe.init({ [variable]: recipe.env[variable] ?? "" }));
      expect(expectSuccess(await recipe.push())).toContain("made stream ROOMS");
    },
  );
});

describe("while it makes streams, the recipe", () => {
  /** Puts another program before the nats tool on the PATH; `$nats` is the real one. */
  function replaceNats(recipe: Recipe, script: string): Record<string, string> {
    const real = Bun.which("nats", { PATH: recipe.env.PATH ?? "" });
    const bin = join(recipe.dir, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "nats"), `#!/bin/sh\nnats=${real}\n${script}\n`, { mode: 0o755 });
    return { PATH: `${bin}:${recipe.env.PATH}` };
  }

  test("prints no secret, and leaves no user behind", async () => {
    await using recipe = await makeRecipe();
    expect(await recipe.up()).not.toMatch(/S[OAU][A-Z2-7]{56}|eyJ/);
    expect(expectSuccess(await recipe.run(["find", join(recipe.dir, "nsc"), "-name", "*stream*"]))).toBe("");
  });

  test("uses a user that may read and create a stream, and nothing else", async () => {
    await using recipe = await makeUsed();
    const copy = `case "$*" in *STREAM.INFO*) while [ "$1" != --creds ]; do shift; done; cp "$2" ${recipe.dir}/stream.creds; exit 1 ;; esac\nexec "$nats" "$@"`;
    await recipe.push({ ...replaceNats(recipe, copy), PUSH_PATIENCE: "1" });
    const nc = await connect({
      servers: recipe.env.NATS_URL ?? "",
      authenticator: credsAuthenticator(readFileSync(join(recipe.dir, "stream.creds"))),
      inboxPrefix: "_INBOX_streams",
    });
    const may = async (subject: string) =>
      nc.request(subject, "", { timeout: 10_000 }).then(
        () => true,
        (error) => error.code !== "PERMISSIONS_VIOLATION",
      );
    expect([await may("$JS.API.STREAM.INFO.ROOMS"), await may("$JS.API.STREAM.CREATE.ROOMS")]).toEqual([
      true,
      true,
    ]);
    for (const subject of [
      "$JS.API.STREAM.INFO.OTHER",
      "$JS.API.STREAM.CREATE.OTHER",
      "$JS.API.STREAM.UPDATE.ROOMS",
      "$JS.API.STREAM.DELETE.ROOMS",
      "$JS.API.STREAM.MSG.GET.ROOMS",
      "$JS.API.INFO",
      "rooms.lobby.alice.chat",
      "_INBOX_streams.x",
    ]) {
      expect([subject, await may(subject)]).toEqual([subject, false]);
    }
    await nc.close();
  });

  test("fails with a message when JetStream does not respond", async () => {
    await using recipe = await makeUsed();
    const mute = `case "$*" in *JS.API*) echo "no answer" >&2; exit 0 ;; esac\nexec "$nats" "$@"`;
    const { code, output } = await recipe.push({ ...replaceNats(recipe, mute), PUSH_PATIENCE: "1" });
    expect(code).toBe(1);
    expect(output).toContain(
      "JetStream did not respond within 1 s (no answer). See the log of nats-server for the reason",
    );
    expect(expectSuccess(await recipe.push())).toBe(QUIET);
  });

  test("skips them while the account has no plain key", async () => {
    await using recipe = await makeUsed();
    const plain = recipe.account().nats.signing_keys.find((key) => typeof key === "string") as string;
    expectSuccess(await recipe.nsc("edit", "account", "--name", "app", "--rm-sk", plain));
    write(recipe, "orders.json", extra);
    expect(expectSuccess(await recipe.push())).not.toContain("stream");
    expect(await recipe.up()).toContain("made stream orders");
  });
});
