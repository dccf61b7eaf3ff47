import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "dotenv";
import { CLI_VARIABLES, readCliConfig } from "../../src/config/cli.ts";
import { CLIENT_VARIABLES, readClientConfig } from "../../src/config/client.ts";
import type { Env } from "../../src/config/env.ts";
import { LOCAL_VARIABLES, readLocalConfig } from "../../src/config/local.ts";
import { MINT_VARIABLES, readMintConfig } from "../../src/config/mint.ts";
import { RECIPE_VARIABLES } from "../../src/config/recipe.ts";
import * as errors from "../../src/core/errors.ts";
import { AUTH_METHODS } from "../../src/core/identity.ts";
import { createApp } from "../../src/http/app.ts";
import * as httpErrors from "../../src/http/errors.ts";
import * as library from "../../src/index.ts";
import { prepareTools } from "../../src/local/tools.ts";
import { makeRecipe } from "../recipe/recipe.ts";
import { anchors, codeSpans, links, rows, section } from "./markdown.ts";

/** The statements of README.md and docs are true. The commands that they show are run in commands.test.ts. */

const config = readLocalConfig();
const { projectDir } = config;
const read = (path: string) => readFileSync(join(projectDir, path), "utf8");
const name = (cell = "") => codeSpans(cell)[0] ?? cell;
const guides = readdirSync(join(projectDir, "docs"))
  .filter((file) => file.endsWith(".md"))
  .map((file) => `docs/${file}`);
const documents = ["README.md", ...guides];

describe("the configuration tables", () => {
  const table = rows(read("docs/configuration.md"), "variable");
  const documented = new Map(
    table.map(([variable, value]) => [name(variable), value === "empty" ? "" : name(value)]),
  );
  const envFile = parse(read(".env"));
  const inCode = new Set([...MINT_VARIABLES, ...LOCAL_VARIABLES, ...CLI_VARIABLES, ...CLIENT_VARIABLES]);
  const inRecipe = [...RECIPE_VARIABLES, ...inCode];

  test("have every variable of .env and of the code, once, and no other", () => {
    expect(table.map(([variable]) => name(variable)).sort()).toEqual(
      [...new Set([...Object.keys(envFile), ...inRecipe])].sort(),
    );
  });

  test.each([
    ["mint", readMintConfig, MINT_VARIABLES],
    ["local", readLocalConfig, LOCAL_VARIABLES],
    ["cli", readCliConfig, CLI_VARIABLES],
    ["client", readClientConfig, CLIENT_VARIABLES],
  ] as const)("and the code for %s reads exactly the variables that it lists", (_, readConfig, variables) => {
    const readVariables = new Set<PropertyKey>();
    const env = {
      MINT_AUTH: AUTH_METHODS.join(),
      MINT_KEYS_DIR: "/keys",
      MINT_POLICY_FILE: "/policy.json",
      MINT_API_KEYS_FILE: "/api-keys.json",
    };
    const recorder: ProxyHandler<Env> = {
      get(target, variable) {
        readVariables.add(variable);
        return Reflect.get(target, variable);
      },
      // A copy of all variables, to pass them on, reads none.
      ownKeys: () => [],
    };
    readConfig(new Proxy<Env>(env, recorder));
    expect([...readVariables].sort()).toEqual([...variables].sort());
  });

  test("have the values of .env", () => {
    for (const [variable, value] of Object.entries(envFile)) {
      expect([variable, documented.get(variable)]).toEqual([variable, value]);
    }
  });

  test("have the defaults of the code", () => {
    const needed = { MINT_AUTH: "dev", MINT_KEYS_DIR: "/keys" };
    const results = (env: Record<string, string>) => {
      const { environment: _, ...local } = readLocalConfig(env);
      return { mint: readMintConfig(env), local, client: readClientConfig(env) };
    };
    for (const variable of inCode) {
      const value = documented.get(variable) ?? "";
      // These origins are the recipe's: a mint without it allows none by default.
      if (value === "none" || variable === "NATS_WS_ORIGINS") continue;
      expect([variable, results({ ...needed, [variable]: value })]).toEqual([variable, results(needed)]);
    }
  });
});

test("the table of errors has every code that a caller can get, with its status", async () => {
  const kinds = [...Object.values(errors), ...Object.values(httpErrors)].filter(
    (kind) => kind !== errors.MintError && kind !== httpErrors.isMintError,
  ) as (new (
    about: never,
  ) => Error)[];
  const responses = kinds.map(async (Kind) => {
    const app = createApp({
      mint: () => {
        throw new Kind(["x"] as never);
      },
      authenticate: () => null,
      grant: () => {
        throw new Error("not reached");
      },
      servers: { websocket: [], tcp: [] },
      onError: () => {},
    });
    const response = await app.request("/readyz");
    return `${(await response.json()).code} ${response.status}`;
  });
  const table = rows(section(read("docs/http-api.md"), "## Errors"), "code");
  expect(table.map(([code, status]) => `${name(code)} ${status}`).sort()).toEqual(
    [...new Set(await Promise.all(responses))].sort(),
  );
});

test("the table of role fields has every field that a role file may have", async () => {
  await using recipe = await makeRecipe();
  recipe.writeRole("wrong", { unknown: true });
  const { output } = await recipe.init();
  const known = /unknown field "unknown" \(known: (.*?)\)/.exec(output)?.[1]?.split(", ");
  const fields = rows(section(read("docs/roles.md"), "## Fields of a role file"), "field");
  expect(fields.flatMap(([field]) => codeSpans(field ?? "")).sort()).toEqual(known?.sort() as string[]);
});

test("the functions that the library's guide names are exported", () => {
  const inProse = codeSpans(read("docs/library.md")).map((code) => code.replace(/\(.*/, ""));
  const named = inProse.filter((code) =>
    /^(create|watch|read|parse|format|compile)[A-Z]|Authentication$/.test(code),
  );
  expect(named.length).toBeGreaterThan(4);
  for (const each of named) expect(Object.keys(library)).toContain(each);
});

describe("the README", () => {
  const table = rows(section(read("README.md"), "## Documentation"), "document");
  const targets = table.map(([document = ""]) => links(document)[0] ?? "");

  test("links to every document, once, in its table", () => {
    expect(targets.filter((target) => target.startsWith("docs/")).sort()).toEqual(guides.toSorted());
    expect(new Set(targets).size).toBe(targets.length);
  });

  test("can be read in five minutes", () => {
    expect(read("README.md").split(/\s+/).length).toBeLessThan(1300);
  });
});

test.each(guides)("%s begins with its title and a sentence", (path) => {
  expect(read(path)).toMatch(/^# \S.*\n\n[A-Z].*[.:]\n\n/);
});

describe("references:", () => {
  test.each(documents)("every link in %s has a target", (path) => {
    for (const link of links(read(path))) {
      const [target = "", anchor] = link.split("#");
      const file = target ? join(dirname(path), target) : path;
      expect([link, existsSync(join(projectDir, file))]).toEqual([link, true]);
      if (anchor !== undefined)
        expect([link, anchors(read(file))]).toEqual([link, expect.arrayContaining([anchor])]);
    }
  });

  test.each(documents)("every file that %s names exists", (path) => {
    const made = ["fs/nats-export/secrets/.env.account", "fs/mint/api-keys.json"];
    const files = codeSpans(read(path)).filter(
      (code) =>
        /^((fs|src|demo|docs|examples|tests|tools|bench)\/[\w./-]+|[\w-]+\.(json|yaml))$/.test(code) &&
        // One's own files.
        !code.includes(".local") &&
        !made.includes(code),
    );
    for (const file of files) expect([file, existsSync(join(projectDir, file))]).toEqual([file, true]);
  });

  test.each(documents)("every function of a script that %s names exists", (path) => {
    const named = read(path).matchAll(/`(\w+)`(?: and `(\w+)`)? in \[`(fs\/[\w./-]+\.sh)`\]/g);
    for (const [, ...names] of named) {
      const script = read(names.pop() ?? "");
      for (const each of names.filter(Boolean)) expect(script).toContain(`\n${each}() {`);
    }
  });

  test("every path in the layout exists", () => {
    const layout = /```\n(docker-compose.yaml.*?)```/s.exec(read("CONTRIBUTING.md"))?.[1] ?? "";
    const paths = [...layout.matchAll(/(?:^|; )([\w./<>-]+)(?:: | {2,})/gm)];
    expect(paths.length).toBeGreaterThan(10);
    for (const [, path = ""] of paths) {
      const part = path.replace("<container>/", "");
      expect([path, existsSync(join(projectDir, part))]).toEqual([path, true]);
    }
  });

  test.each(documents)("every npm script that %s names exists", (path) => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...read(path).matchAll(/npm (?:run )?(?:-s )?(start|test|(?<=run (?:-s )?)[\w:-]+)/g)].map(
      ([, it]) => it,
    );
    for (const script of named) expect(Object.keys(scripts)).toContain(script as string);
  });
});

describe("the messages in the troubleshooting guide", () => {
  const guide = read("docs/troubleshooting.md");
  const parts = (heading: string, column: string) =>
    rows(section(guide, heading), column)
      .flatMap(([message = ""]) => codeSpans(message.split(", for ")[0] ?? ""))
      .flatMap((message) => message.split("…"))
      .map((part) => part.trim())
      .filter((part) => part.length > 3);

  test.each([
    ["## `npm start`", "message"],
    ["## `nats-init`, `nats-push`, `nats-export` and `nsc`", "message"],
    ["## The mint, at its start and in its log", "message"],
    ["## Responses of the mint", "code or `detail`"],
  ])("under %s are in the code", (heading, column) => {
    const code = [...new Bun.Glob("{fs,src}/**/*.{sh,jq,ts,cjs}").scanSync(projectDir)].map(read).join("\n");
    const all = parts(heading, column);
    expect(all.length).toBeGreaterThan(5);
    expect(all.filter((part) => !code.includes(part))).toEqual([]);
  });

  test("of nats-server are in nats-server", async () => {
    const server = Bun.which("nats-server", { PATH: await prepareTools(config) }) ?? "";
    const program = readFileSync(server);
    const all = parts("## NATS clients and the log of nats-server", "message");
    expect(all.length).toBeGreaterThan(5);
    expect(all.filter((part) => !program.includes(part))).toEqual([]);
  });
});
