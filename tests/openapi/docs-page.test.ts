import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { createApp } from "../../src/http/app.ts";
import { launchBrowser } from "../browser/chromium.ts";

/** The page at /docs, in a real browser. */

const axe = readFileSync(join(import.meta.dirname, "../../node_modules/axe-core/axe.min.js"), "utf8");
const PHONE = { width: 360, height: 640 };
const DESKTOP = { width: 1280, height: 800 };

let server: ReturnType<typeof Bun.serve>;
let browser: Browser;

beforeAll(async () => {
  const app = createApp({
    mint: () => {
      throw new Error("this test has no mint");
    },
    authenticate: () => null,
    grant: () => {
      throw new Error("not reached");
    },
    servers: { websocket: [], tcp: [] },
    document: { version: "1.2.3", login: ["oidc", "api-key"] },
    metrics: async () => ({ body: "", contentType: "text/plain" }),
  });
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => app.fetch(request) });
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop(true);
});

/** The page in a new browser context. */
async function open(viewport: typeof PHONE, colorScheme: "light" | "dark") {
  // bypassCSP lets axe run: the policy allows no scripts.
  const context = await browser.newContext({ viewport, colorScheme, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${server.port}/docs`);
  return { page, [Symbol.asyncDispose]: () => context.close() };
}

const openAll = (page: Page) =>
  page.evaluate(() => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const found = await (window as never as { axe: typeof import("axe-core") }).axe.run();
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
  });
}

describe.each([
  ["on a phone", PHONE],
  ["on a desktop", DESKTOP],
] as const)("%s", (_, viewport) => {
  test.each(["light", "dark"] as const)("axe-core finds nothing, with all open (%s)", async (scheme) => {
    await using opened = await open(viewport, scheme);
    const { page } = opened;
    await openAll(page);
    expect(await violations(page)).toEqual([]);
  });

  test("nothing is wider than the screen", async () => {
    await using opened = await open(viewport, "light");
    const { page } = opened;
    await openAll(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(viewport.width);
  });
});

test("its policy allows its own style, and nothing else is requested", async () => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  const errors: string[] = [];
  const requested: string[] = [];
  page.on("console", (message) => errors.push(message.text()));
  page.on("request", (request) => requested.push(new URL(request.url()).pathname));
  await page.goto(`http://127.0.0.1:${server.port}/docs`, { waitUntil: "load" });
  const background = await page.locator("body").evaluate((body) => getComputedStyle(body).backgroundColor);
  expect(background).toBe("rgb(23, 27, 33)");
  expect(errors).toEqual([]);
  // Browsers request the icon automatically.
  expect(requested.filter((path) => path !== "/favicon.ico")).toEqual(["/docs"]);
  await context.close();
});

test("the link to the document works", async () => {
  await using opened = await open(DESKTOP, "light");
  const { page } = opened;
  const [response] = await Promise.all([
    page.waitForResponse((response) => response.url().endsWith("/openapi.json")),
    page.getByRole("link", { name: "The same as OpenAPI 3.1" }).click(),
  ]);
  expect((await response.json()).openapi).toBe("3.1.0");
});
