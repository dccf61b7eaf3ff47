import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "dotenv";
import { CLI_VARIABLES, readCliConfig } from "../../src/config/cli.ts";
import { CLIENT_VARIABLES, readClientConfig } from "../../src/config/client.ts";
import type { Env } from "../../src/config/env.ts";
import { LOCAL_VARIABLES, readLocalConfig } from "../../src/config/local.ts";
import { MINT_VARIABLES, readMintConfig } from "../../src/config/mint.ts";
import * as errors from "../../src/core/errors.ts";
import { AUTH_METHODS } from "../../src/core/identity.ts";
import { createApp } from "../../src/http/app.ts";
import { makeRecipe } from "../recipe/recipe.ts";
import { anchors, codeSpans, links, rows, section } from "./markdown.ts";

/** What README.md says is so. What it tells the reader to type is tried in commands.test.ts. */

const { projectDir } = readLocalConfig();
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
const readme = read("README.md");
const name = (cell = "") => codeSpans(cell)[0] ?? cell;

describe("the configuration tables", () => {
  const table = rows(section(readme, "## Configuration"), "variable");
  const said = new Map(
    table.map(([variable, value]) => [name(variable), value === "empty" ? "" : name(value)]),
  );
  const envFile = parse(read(".env"));
  const inCode = new Set([...MINT_VARIABLES, ...LOCAL_VARIABLES, ...CLI_VARIABLES, ...CLIENT_VARIABLES]);

  test("have every variable of .env and of the code, once, and no other", () => {
    expect(table.map(([variable]) => name(variable)).sort()).toEqual(
      [...new Set([...Object.keys(envFile), ...inCode])].sort(),
    );
  });

  test.each([
    ["mint", readMintConfig, MINT_VARIABLES],
    ["local", readLocalConfig, LOCAL_VARIABLES],
    ["cli", readCliConfig, CLI_VARIABLES],
    ["client", readClientConfig, CLIENT_VARIABLES],
  ] as const)("and the code for %s reads exactly the variables that it lists", (_, readConfig, variables) => {
    const asked = new Set<PropertyKey>();
    const env = {
      MINT_AUTH: AUTH_METHODS.join(),
      MINT_KEYS_DIR: "/keys",
      MINT_POLICY_FILE: "/policy.json",
      MINT_API_KEYS_FILE: "/api-keys.json",
    };
    const recorder: ProxyHandler<Env> = {
      get(target, variable) {
        asked.add(variable);
        return Reflect.get(target, variable);
      },
      // All at once, to pass them on.
      ownKeys: () => [],
    };
    readConfig(new Proxy<Env>(env, recorder));
    expect([...asked].sort()).toEqual([...variables].sort());
  });

  test("have the values of .env", () => {
    for (const [variable, value] of Object.entries(envFile)) {
      expect([variable, said.get(variable)]).toEqual([variable, value]);
    }
  });

  test("have the defaults of the code", () => {
    const needed = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys" };
    const results = (env: Record<string, string>) => {
      const { environment: _, ...local } = readLocalConfig(env);
      return { mint: readMintConfig(env), local, client: readClientConfig(env) };
    };
    for (const variable of inCode) {
      const value = said.get(variable) ?? "";
      if (value === "none") continue;
      expect([variable, results({ ...needed, [variable]: value })]).toEqual([variable, results(needed)]);
    }
  });
});

test("the table of errors has every code that a caller can get, with its status", async () => {
  const kinds = Object.values(errors).filter((kind) => kind !== errors.MintError) as (new (
    about: never,
  ) => Error)[];
  const answers = kinds.map(async (Kind) => {
    const app = createApp({
      mint: () => {
        throw new Kind(["x"] as never);
      },
      authenticate: () => null,
      grant: () => {
        throw new Error("nobody gets this far");
      },
      servers: { websocket: [], tcp: [] },
      onError: () => {},
    });
    const answer = await app.request("/readyz");
    return `${(await answer.json()).code} ${answer.status}`;
  });
  const table = rows(section(readme, "## `POST /creds`"), "code");
  expect(table.map(([code, status]) => `${name(code)} ${status}`).sort()).toEqual(
    [...new Set(await Promise.all(answers))].sort(),
  );
});

test("the table of role fields has every field that a role file may have", async () => {
  await using recipe = await makeRecipe();
  recipe.writeRole("wrong", { unknown: true });
  const { said } = await recipe.init();
  const known = /unknown field "unknown" \(known: (.*?)\)/.exec(said)?.[1]?.split(", ");
  const table = rows(section(readme, "## Roles"), "field").flatMap(([field]) => codeSpans(field ?? ""));
  expect(table.sort()).toEqual(known?.sort() as string[]);
});

describe("what it points to is there:", () => {
  const guides = readdirSync(join(projectDir, "docs")).filter((file) => file.endsWith(".md"));
  const documents = ["README.md", ...guides.map((file) => `docs/${file}`)];

  test.each(documents)("every link in %s", (path) => {
    for (const link of links(read(path))) {
      const [target = "", anchor] = link.split("#");
      const file = target ? join(dirname(path), target) : path;
      expect([link, existsSync(join(projectDir, file))]).toEqual([link, true]);
      if (anchor) expect([link, anchors(read(file))]).toEqual([link, expect.arrayContaining([anchor])]);
    }
  });

  test.each(documents)("every file that %s names", (path) => {
    const made = ["fs/nats-export/secrets/.env.account", "fs/nats-init/roles/helpdesk.json"];
    const files = codeSpans(read(path)).filter(
      (code) =>
        /^((fs|src|docs|examples|tests|tools)\/[\w./-]+|[\w-]+\.(json|yaml))$/.test(code) &&
        !made.includes(code),
    );
    for (const file of files) expect([file, existsSync(join(projectDir, file))]).toEqual([file, true]);
  });

  test("every part of the layout", () => {
    const layout = /```\n(docker-compose.yaml.*?)```/s.exec(readme)?.[1] ?? "";
    const paths = layout.matchAll(/(?:^|; )([\w./<>-]+)(?:: | {2,})/gm);
    for (const [, path = ""] of paths) {
      const part = path.replace("<container>/", "");
      expect([path, existsSync(join(projectDir, part))]).toEqual([path, true]);
    }
  });

  test.each(documents)("every npm script that %s names", (path) => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...read(path).matchAll(/npm (?:run )?(?:-s )?(start|test|(?<=run (?:-s )?)[\w:-]+)/g)].map(
      ([, it]) => it,
    );
    for (const script of named) expect(Object.keys(scripts)).toContain(script as string);
  });
});

test("the messages of the recipe in the troubleshooting section are in its code", () => {
  const all = section(readme, "## Troubleshooting");
  const [ours = ""] = all.split("What Docker, browsers");
  const code = [...new Bun.Glob("{fs,src}/**/*.{sh,ts}").scanSync(projectDir)].map(read).join("\n");
  const table = rows(ours, "message");
  expect(table.length).toBeGreaterThan(10);
  const parts = table.flatMap(([message]) => name(message).split("…"));
  expect(parts.filter((part) => !code.includes(part.trim()))).toEqual([]);
});
