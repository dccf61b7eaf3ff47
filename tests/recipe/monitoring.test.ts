import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectSuccess, makeRecipe, type Recipe, startRecipe } from "./recipe.ts";

/** nats-server's monitoring, which every web page and every user of the machine can reach. */

const ENDPOINTS = [
  "/varz",
  "/connz?auth=1&subs=1",
  "/subsz?subs=1",
  "/subscriptionsz",
  "/jsz?consumers=1&config=1",
  "/accountz",
  "/accstatz",
  "/routez",
  "/gatewayz",
  "/leafz",
  "/raftz",
  "/ipqueuesz",
  "/healthz",
  "/stacksz",
  "/debug/vars",
  "",
];

let recipe: Recipe;
let file: string;

beforeAll(async () => {
  recipe = await startRecipe();
  file = join(recipe.dir, "nats/config/monitoring.conf");
});

afterAll(() => recipe?.[Symbol.asyncDispose]());

const root = () => `http://127.0.0.1:${recipe.ports.monitoring}`;

test("responds with errors at paths that can be guessed, and web pages can't read even those", async () => {
  for (const path of [...ENDPOINTS, "/", "/nats", "/metrics", "//", "/.", "/%2e%2e/varz"]) {
    const response = await fetch(root() + path, {
      redirect: "manual",
      headers: { Origin: "https://evil.test" },
    });
    expect([path, response.ok, response.headers.get("Access-Control-Allow-Origin")]).toEqual([
      path,
      false,
      null,
    ]);
    expect([path, (await response.text()).length < 100]).toEqual([path, true]);
  }
});

test("responds under a path of 128 random bits that only the server's user can read", async () => {
  for (const path of ENDPOINTS) {
    const { status } = await fetch(recipe.monitoring() + path);
    // A single server has no Raft groups to report.
    expect([path, status]).toEqual([path, path === "/raftz" ? 404 : 200]);
  }
  expect(readFileSync(file, "utf8")).toMatch(/^http_base_path: "\/[0-9a-f]{32}"\n$/);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("has another path in each installation, and keeps it", async () => {
  const before = readFileSync(file, "utf8");
  expect(expectSuccess(await recipe.init())).toBe("nats-init: nothing to change\n");
  expect(readFileSync(file, "utf8")).toBe(before);
  await using other = await makeRecipe();
  await other.init();
  expect(new URL(other.monitoring()).pathname).not.toBe(new URL(recipe.monitoring()).pathname);
});

test("gets a new path when its file is missing, empty, cut short, or has any other content", async () => {
  const { mode } = statSync(file);
  const seen = new Set([readFileSync(file, "utf8")]);
  for (const text of [undefined, "", 'http_base_path: "/', 'http_base_path: "/"\n', "x".repeat(60)]) {
    if (text === undefined) rmSync(file);
    else writeFileSync(file, text);
    // What a killed run may have left.
    writeFileSync(`${file}.new`, "http");
    chmodSync(`${file}.new`, 0o600);
    expectSuccess(await recipe.init());
    expect(readFileSync(file, "utf8")).toMatch(/^http_base_path: "\/[0-9a-f]{32}"\n$/);
    expect(statSync(file).mode).toBe(mode);
    seen.add(readFileSync(file, "utf8"));
  }
  expect(seen.size).toBe(6);
});
